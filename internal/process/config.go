package process

import "regexp"

// rules reads all flags that ask something of requests.
func (cfg *Config) rules() (*rules, error) {
	var p flagParser
	r := &rules{
		allowMethod:    parse(&p, "http-allow-method", cfg.HTTPAllowMethod, parseMethod),
		disallowMethod: parse(&p, "http-disallow-method", cfg.HTTPDisallowMethod, parseMethod),
		allowURL:       parse(&p, "http-allow-url", cfg.HTTPAllowURL, parseURLPattern),
		disallowURL:    parse(&p, "http-disallow-url", cfg.HTTPDisallowURL, parseURLPattern),
		allowHeader:    parse(&p, "http-allow-header", cfg.HTTPAllowHeader, parseFieldPattern),
		disallowHeader: parse(&p, "http-disallow-header", cfg.HTTPDisallowHeader, parseFieldPattern),
		basicAuth:      parse(&p, "http-basic-auth-filter", cfg.HTTPBasicAuthFilter, regexp.Compile),
		headerShare:    parse(&p, "http-header-limiter", cfg.HTTPHeaderLimiter, parseShare),
		paramShare:     parse(&p, "http-param-limiter", cfg.HTTPParamLimiter, parseShare),
		setHeader:      parse(&p, "http-set-header", cfg.HTTPSetHeader, parseHeader),
		setParam:       parse(&p, "http-set-param", cfg.HTTPSetParam, parseParam),
		rewriteURL:     parse(&p, "http-rewrite-url", cfg.HTTPRewriteURL, parseURLRewrite),
		rewriteHeader:  parse(&p, "http-rewrite-header", cfg.HTTPRewriteHeader, parseHeaderRewrite),
		rewriteBody:    parse(&p, "http-rewrite-body", cfg.HTTPRewriteBody, parseBodyRewrite),
	}
	return r, p.err
}

// flagParser keeps the first error.
type flagParser struct{ err error }

func parse[T any](p *flagParser, flag string, specs []string, one func(string) (T, error)) []T {
	if p.err != nil {
		return nil
	}
	all, err := parseAll(flag, specs, one)
	p.err = err
	return all
}
