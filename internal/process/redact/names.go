package redact

import "strings"

// Parameters returns the names of query parameters, form fields and JSON members
// whose values are secrets by default.
func Parameters() []string {
	return []string{
		"access_token", "api-key", "api_key", "apikey", "assertion", "auth", "auth_token", "authorization",
		"client_secret", "code", "id_token", "jsessionid", "jwt", "key", "pass", "passwd", "password", "phpsessid",
		"private_key", "pwd", "refresh_token", "samlrequest", "samlresponse", "secret", "session", "session_id",
		"sessionid", "sid", "sig", "signature", "token", "x-amz-credential", "x-amz-security-token",
		"x-amz-signature", "x-api-key", "x-goog-credential", "x-goog-signature",
	}
}

// plainMembers are parameters whose names say nothing in JSON: an error has a
// code, a map has keys.
func plainMembers() []string { return []string{"code", "key"} }

// class is how the value of a header field is hidden.
type class uint8

const (
	public     class = iota
	secret           // all of it
	credential       // all behind a known scheme
	cookies          // the values of a list of pairs
	setCookie        // the value of a pair, with attributes behind it
	address          // a URL: its parameters, and who is before its "@"
	link             // the same in angle brackets
)

// fieldClasses maps names in lower case.
func fieldClasses() map[string]class {
	classes := map[string]class{
		"authorization": credential, "proxy-authorization": credential,
		"www-authenticate": credential, "proxy-authenticate": credential,
		"cookie": cookies, "cookie2": cookies, "set-cookie": setCookie, "set-cookie2": setCookie, "link": link,
	}
	for _, name := range strings.Fields(`
		api-key apikey authentication-info cf-access-client-secret cf-access-jwt-assertion cf-access-token dd-api-key
		dd-application-key job-token ocp-apim-subscription-key private-token proxy-authentication-info x-access-token
		x-amz-security-token x-amzn-oidc-accesstoken x-amzn-oidc-data x-api-key x-api-token x-apikey x-app-token
		x-auth-key x-auth-token x-authorization x-aws-ec2-metadata-token x-client-secret x-csrf-token x-csrftoken
		x-figma-token x-forwarded-access-token x-forwarded-client-cert x-functions-key x-github-token x-gitlab-token
		x-goog-api-key x-goog-authenticated-user-jwt x-goog-iap-jwt-assertion x-honeycomb-team x-hub-signature
		x-hub-signature-256 x-id-token x-jwt-assertion x-ms-client-principal x-ms-token-aad-access-token
		x-ms-token-aad-id-token x-ms-token-aad-refresh-token x-plex-token x-postmark-server-token x-refresh-token
		x-registry-auth x-secret x-secret-key x-session-id x-session-token x-shopify-access-token x-signature
		x-slack-signature x-stripe-signature stripe-signature x-token x-user-token x-vault-token x-xsrf-token`) {
		classes[name] = secret
	}
	for _, name := range strings.Fields(`
		content-location destination location origin referer refresh x-forwarded-uri x-original-uri x-original-url
		x-rewrite-url`) {
		classes[name] = address
	}
	return classes
}

// knownScheme says whether a word before credentials tells how they are made,
// and is no part of them.
func knownScheme(word []byte) bool {
	switch strings.ToLower(string(word)) {
	case "basic", "bearer", "digest", "negotiate", "ntlm", "aws4-hmac-sha256", "aws4-ecdsa-p256-sha256", "token",
		"apikey", "api-key", "key", "oauth", "hawk", "mac", "dpop", "gnap", "hoba", "mutual", "privatetoken",
		"scram-sha-1", "scram-sha-256", "vapid", "sharedkey", "sharedkeylite", "genie_key", "splunk", "jwt":
		return true
	}
	return false
}

// knownAttribute says whether a cookie's attribute has a fixed meaning.
func knownAttribute(name []byte) bool {
	switch strings.ToLower(string(name)) {
	case "domain", "expires", "httponly", "max-age", "partitioned", "path", "priority", "samesite", "secure", "version":
		return true
	}
	return false
}
