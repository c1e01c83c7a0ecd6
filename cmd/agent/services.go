package main

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// serviceRules is the flag form of a list of ServiceRule.
type serviceRules []ServiceRule

var _ pflag.Value = (*serviceRules)(nil)

// Set adds one rule: name=N and any of cidr=, port=, host=, repeated at will.
func (r *serviceRules) Set(text string) error {
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return fmt.Errorf("%q: want name=N,cidr=C,port=P,host=H", text)
	}
	var rule ServiceRule
	for _, field := range fields {
		key, value, _ := strings.Cut(field, "=")
		switch strings.TrimSpace(key) {
		case "name":
			rule.Name = value
		case "cidr":
			rule.CIDR = append(rule.CIDR, value)
		case "host":
			rule.Host = append(rule.Host, value)
		case "port":
			port, err := strconv.Atoi(value)
			if err != nil {
				return fmt.Errorf("port %q is not a number", value)
			}
			rule.Port = append(rule.Port, port)
		default:
			return fmt.Errorf("%q: want name=, cidr=, port= or host=", field)
		}
	}
	*r = append(*r, rule)
	return nil
}

// Type implements pflag.Value.
func (r *serviceRules) Type() string { return "rule" }

// String implements pflag.Value.
func (r *serviceRules) String() string {
	var names []string
	for _, rule := range *r {
		names = append(names, rule.Name)
	}
	return strings.Join(names, ",")
}
