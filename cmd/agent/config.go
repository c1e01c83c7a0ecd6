package main

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// Config is everything that can be set. A field's mapstructure name is the flag,
// the YAML key and, with GOR_ before it, in capitals and with _ for -, the
// environment variable. Flags win over the environment, that over the file, that
// over the defaults in flags.go.
type Config struct {
	InputRaw  []string `mapstructure:"input-raw"`
	InputFile []string `mapstructure:"input-file"`
	InputLink []string `mapstructure:"input-link"`
	BPFFilter string   `mapstructure:"bpf-filter"`
	Interface []string `mapstructure:"interface"`
	Hook      string   `mapstructure:"hook"`
	TCAttach  string   `mapstructure:"tc-attach"`

	Depth           string        `mapstructure:"depth"`
	TurnBudget      Size          `mapstructure:"turn-budget"`
	Sample          Share         `mapstructure:"sample"`
	RingSize        Size          `mapstructure:"ring-size"`
	Shards          int           `mapstructure:"shards"`
	MaxFlows        int           `mapstructure:"max-flows"`
	FlowIdleTimeout time.Duration `mapstructure:"flow-idle-timeout"`

	GapTimeout      time.Duration `mapstructure:"gap-timeout"`
	MaxBuffered     Size          `mapstructure:"max-buffered"`
	MaxBufferedConn Size          `mapstructure:"max-buffered-per-direction"`
	MaxConnections  int           `mapstructure:"max-connections"`
	HTTPMaxHead     Size          `mapstructure:"http-max-head"`

	Service     []ServiceRule `mapstructure:"service"`
	PathPattern []string      `mapstructure:"path-pattern"`
	MaxPaths    int           `mapstructure:"max-paths"`
	MaxServices int           `mapstructure:"max-services"`

	Insight       bool          `mapstructure:"insight"`
	InsightMemory Size          `mapstructure:"insight-memory"`
	InsightRate   int           `mapstructure:"insight-rate"`
	InsightState  string        `mapstructure:"insight-state"`
	InsightWarmup time.Duration `mapstructure:"insight-warmup"`

	OutputJSONL  string   `mapstructure:"output-jsonl"`
	OutputFile   []string `mapstructure:"output-file"`
	OutputLink   string   `mapstructure:"output-link"`
	OutputNull   bool     `mapstructure:"output-null"`
	Redact       bool     `mapstructure:"redact"`
	RedactParams []string `mapstructure:"redact-params"`
	Table        string   `mapstructure:"table"`

	OutputMetrics             string        `mapstructure:"output-metrics"`
	OutputMetricsInterval     time.Duration `mapstructure:"output-metrics-interval"`
	OutputMetricsLabel        []string      `mapstructure:"output-metrics-label"`
	OutputMetricsPasswordFile string        `mapstructure:"output-metrics-password-file"`

	Report []string `mapstructure:"report"`

	RecordConfig  `mapstructure:",squash"`
	SessionConfig `mapstructure:",squash"`

	MaxCPU    Cores `mapstructure:"max-cpu"`
	MaxMemory Size  `mapstructure:"max-memory"`
	Degrade   bool  `mapstructure:"degrade"`

	Listen       string `mapstructure:"listen"`
	WebTokenFile string `mapstructure:"web-token-file"`
	WebCert      string `mapstructure:"web-cert"`
	WebKey       string `mapstructure:"web-key"`
	WebInsecure  bool   `mapstructure:"web-insecure"`

	Pprof     bool          `mapstructure:"pprof"`
	ExitAfter time.Duration `mapstructure:"exit-after"`
	Summary   string        `mapstructure:"summary"`
	MemoryMax Size          `mapstructure:"go-memory-limit"`
	LogFormat string        `mapstructure:"log-format"`
	Verbose   bool          `mapstructure:"verbose"`
}

// ServiceRule gives traffic a service name. All conditions that are set must
// hold; the first rule that fits wins. In a file it is a mapping, on the command
// line 'name=db,cidr=10.0.0.0/8,port=80,host=*.example.com'.
type ServiceRule struct {
	Name string   `mapstructure:"name"`
	CIDR []string `mapstructure:"cidr"`
	Port []int    `mapstructure:"port"`
	Host []string `mapstructure:"host"`
}

const envPrefix = "GOR"

// usageError is a mistake in what the user typed: exit status 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// loadConfig merges flags, environment, file and defaults, and checks the result.
func loadConfig(flags *pflag.FlagSet) (*Config, error) {
	v, err := readSettings(flags)
	if err != nil {
		return nil, err
	}
	cfg := &Config{}
	if err := decodeConfig(v, flags, cfg); err != nil {
		return nil, err
	}
	return cfg, cfg.validate()
}

func readSettings(flags *pflag.FlagSet) (*viper.Viper, error) {
	v := viper.New()
	v.SetEnvPrefix(envPrefix)
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	v.AutomaticEnv()
	v.AllowEmptyEnv(true)
	if err := v.BindPFlags(flags); err != nil {
		return nil, fmt.Errorf("bind flags: %w", err)
	}
	if file := v.GetString("config"); file != "" {
		if err := readConfigFile(v, file); err != nil {
			return nil, err
		}
	}
	// Viper knows flags of plain types only.
	rules, structured := flags.Lookup("service").Value.(*serviceRules)
	if structured && flags.Changed("service") {
		v.Set("service", []ServiceRule(*rules))
	}
	return v, nil
}

// loadChosen is loadConfig for a command that only knows some of the keys: the others
// have their defaults, whatever the file and the environment say, and are refused as
// flags. files are its arguments, in the place of --input-file.
func loadChosen(flags *pflag.FlagSet, command string, files []string, knows func(key string) bool) (*Config, error) {
	var wrong error
	flags.Visit(func(f *pflag.Flag) {
		if f.Hidden && !knows(f.Name) && wrong == nil {
			wrong = usagef("--%s means nothing to `agent %s` (see `agent %s --help`)", f.Name, command, command)
		}
	})
	if wrong != nil {
		return nil, wrong
	}
	v, err := readSettings(flags)
	if err != nil {
		return nil, err
	}
	pristine := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, g := range flagGroups() {
		pristine.AddFlagSet(g.flags)
	}
	defaults := viper.New()
	if err := defaults.BindPFlags(pristine); err != nil {
		return nil, fmt.Errorf("bind flags: %w", err)
	}
	for _, key := range configKeys() {
		if !knows(key) {
			v.Set(key, defaults.Get(key))
		}
	}
	cfg := &Config{}
	if err := decodeConfig(v, flags, cfg); err != nil {
		return nil, err
	}
	cfg.InputFile = files
	return cfg, cfg.validate()
}

func readConfigFile(v *viper.Viper, file string) error {
	only := viper.New() // the file's keys alone, to tell the unknown ones
	only.SetConfigFile(file)
	only.SetConfigType("yaml")
	if err := only.ReadInConfig(); err != nil {
		var missing *fs.PathError
		if errors.As(err, &missing) {
			err = missing.Err
		}
		return usagef("read config %s: %w", file, err)
	}
	settings := only.AllSettings()
	var unknown []string
	for key := range settings {
		if !slices.Contains(configKeys(), key) {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) > 0 {
		sort.Strings(unknown)
		return usagef("read config %s: unknown key %s (`agent --help` lists the keys: they are the flags' names)", file, strings.Join(unknown, ", "))
	}
	return v.MergeConfigMap(settings)
}

func decodeConfig(v *viper.Viper, flags *pflag.FlagSet, cfg *Config) error {
	hook := mapstructure.ComposeDecodeHookFunc(
		mapstructure.StringToTimeDurationHookFunc(),
		mapstructure.TextUnmarshallerHookFunc(),
		splitList,
	)
	settings := map[string]any{}
	for _, key := range configKeys() {
		settings[key] = v.Get(key)
	}
	// The commas of some are their own: "eth0:80,8080" is one input.
	flags.VisitAll(func(f *pflag.Flag) {
		if text, ok := settings[f.Name].(string); ok && text != "" && f.Value.Type() == "stringArray" {
			settings[f.Name] = []string{text}
		}
	})
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: cfg, DecodeHook: hook, ErrorUnused: true, WeaklyTypedInput: true,
	})
	if err != nil {
		return fmt.Errorf("decode config: %w", err)
	}
	if err := d.Decode(settings); err != nil {
		return usageError{shortDecodeError(err)}
	}
	return nil
}

// shortDecodeError puts mapstructure's list of complaints on one line.
func shortDecodeError(err error) error {
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	return fmt.Errorf("read config: %s", strings.Join(strings.Fields(text), " "))
}

// splitList lets an environment variable hold a list: "eth0,eth1".
func splitList(from, to reflect.Type, data any) (any, error) {
	if from.Kind() != reflect.String || to.Kind() != reflect.Slice {
		return data, nil
	}
	text := data.(string)
	switch {
	case text == "":
		return []string{}, nil
	case to == reflect.TypeFor[[]ServiceRule]():
		var rules serviceRules
		err := rules.Set(text)
		return []ServiceRule(rules), err
	}
	return strings.Split(text, ","), nil
}

// configKeys returns every key, in the order of Config.
func configKeys() []string { return keysOf(reflect.TypeFor[Config]()) }

func keysOf(t reflect.Type) []string {
	keys := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous {
			keys = append(keys, keysOf(f.Type)...)
		} else {
			keys = append(keys, f.Tag.Get("mapstructure"))
		}
	}
	return keys
}
