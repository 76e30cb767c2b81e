// Judges one object, read as JSON from standard input, as the tools that wait for objects do.
//
//	judge kstatus           what kstatus says (Helm --wait, Flux): Current, InProgress, Failed, Terminating, NotFound
//	judge argo HEALTH.lua   what Argo CD says with this script: Healthy, Progressing, Degraded, ...
//
// It prints the verdict, a tab, and the message. With `judge json` it prints documents of YAML as kubectl reads them, one line of JSON each.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/yaml"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "json" {
		return convert()
	}
	var object map[string]any
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	// Whole numbers stay whole, as everywhere in Kubernetes.
	if err := json.Unmarshal(text, &object); err != nil {
		return fmt.Errorf("the object: %w", err)
	}
	switch {
	case len(args) == 1 && args[0] == "kstatus":
		result, err := status.Compute(&unstructured.Unstructured{Object: object})
		if err != nil {
			return err
		}
		fmt.Printf("%s\t%s\n", result.Status, result.Message)
		return nil
	case len(args) == 2 && args[0] == "argo":
		return argo(args[1], object)
	default:
		return fmt.Errorf("usage: judge kstatus | judge argo HEALTH.lua | judge json")
	}
}

// convert reads YAML by the parser of kubectl and of everything else in Kubernetes.
func convert() error {
	reader := yaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		document, err := reader.Read()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		converted, err := yaml.ToJSON(document)
		if err != nil {
			return err
		}
		if string(converted) != "null" {
			fmt.Println(string(converted))
		}
	}
}

// argo runs a health script as Argo CD does: the same Lua, the libraries that it opens, the object as `obj`, a table with status and message back.
func argo(path string, object map[string]any) error {
	script, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return fmt.Errorf("library %s: %w", name, err)
		}
	}
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(string(script)); err != nil {
		return err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return fmt.Errorf("%s returned no table", path)
	}
	fmt.Printf("%s\t%s\n", table.RawGetString("status"), table.RawGetString("message"))
	return nil
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}
