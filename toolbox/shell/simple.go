// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"context"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wazelet/wazelet/toolbox/command"
)

// simple runs a simple command: assignments, then a function, a builtin or a command. True: it was
// exec, and its redirections stay.
func (s *shell) simple(ctx context.Context, cmd *syntax.CallExpr) (keep bool) {
	s.substituted = 0
	args, ok := s.fields(ctx, cmd.Args)
	if !ok {
		return false
	}
	if len(args) == 0 {
		if s.assignments(ctx, cmd.Assigns, false) {
			s.status = s.substituted
		}
		return false
	}
	b, special := specials[args[0]]
	_, function := s.funcs[args[0]]
	if special && !function {
		// Assignments before a special builtin stay, as POSIX has it.
		if !s.assignments(ctx, cmd.Assigns, false) {
			return false
		}
		s.trace(args)
		s.status = b(ctx, s, args)
		return args[0] == "exec" && len(args) == 1
	}
	outer := s.vars
	if len(cmd.Assigns) > 0 {
		s.vars = newScope(outer)
		defer func() { s.vars = outer }()
		if !s.assignments(ctx, cmd.Assigns, true) {
			return false
		}
	}
	s.trace(args)
	s.status = s.invoke(ctx, args)
	return false
}

// assignments makes assignments: to the variables of the shell or, in the innermost scope, to those
// of one command alone, exported.
func (s *shell) assignments(ctx context.Context, list []*syntax.Assign, own bool) bool {
	for _, a := range list {
		value, ok := s.value(ctx, a)
		if !ok {
			return false
		}
		s.trace([]string{a.Name.Value + "=" + value.String()})
		if own {
			if s.vars.get(a.Name.Value).ReadOnly {
				s.status = s.errorf("%s: %v", a.Name.Value, errReadOnly)
				return false
			}
			value.Exported = true
			s.vars.vars[a.Name.Value] = value
			continue
		}
		if err := s.Set(a.Name.Value, value); err != nil {
			s.status = s.errorf("%v", err)
			if !s.interactive {
				s.flow = flowExit
			}
			return false
		}
	}
	return true
}

// invoke runs a command by its name and returns its exit code.
func (s *shell) invoke(ctx context.Context, args []string) int {
	if body, ok := s.funcs[args[0]]; ok {
		return s.function(ctx, body, args)
	}
	return s.external(ctx, args)
}

// external runs a builtin or a command, whatever functions there are.
func (s *shell) external(ctx context.Context, args []string) int {
	if b, ok := specials[args[0]]; ok {
		return b(ctx, s, args)
	}
	if b, ok := builtins[args[0]]; ok {
		return b(ctx, s, args)
	}
	code := s.table.Run(ctx, s.call(s.vars), args)
	if code == command.CodeBrokenPipe && (args[0] == "echo" || args[0] == "printf") {
		// Elsewhere these are part of the shell, and SIGPIPE ends it with them: so end loops that
		// write for ever.
		command.BreakPipe()
	}
	return code
}

// function calls a function: parameters of its own, variables it may declare local.
func (s *shell) function(ctx context.Context, body *syntax.Stmt, args []string) int {
	if s.depth++; s.depth > maxDepth {
		s.depth--
		s.flow = flowExit
		return s.errorf("%s: functions are nested too deeply", args[0])
	}
	params, vars, loops := s.params, s.vars, s.loops
	s.params, s.vars, s.loops = args[1:], newScope(vars), 0
	s.calls++
	s.stmt(ctx, body)
	s.calls--
	s.depth--
	s.params, s.vars, s.loops = params, vars, loops
	if s.flow == flowReturn {
		s.flow = flowNone
	}
	return s.status
}

// declare runs export, readonly, local and their kin.
func (s *shell) declare(ctx context.Context, cmd *syntax.DeclClause) {
	d := declaration{variant: cmd.Variant.Value}
	s.status = 0
	for _, a := range cmd.Args {
		if a.Name == nil || a.Naked && a.Value != nil { // an option, or a word that is expanded first
			words, ok := s.fields(ctx, []*syntax.Word{a.Value})
			if !ok {
				return
			}
			for _, word := range words {
				s.declareWord(&d, word)
			}
			continue
		}
		d.named = true
		var value expand.Variable
		if !a.Naked {
			var ok bool
			if value, ok = s.value(ctx, a); !ok {
				return
			}
		}
		s.declareOne(&d, a.Name.Value, value)
	}
	if !d.named {
		s.listDeclared(&d)
	}
}

// declaration is what a declaring command asks for.
type declaration struct {
	variant          string
	export, unexport bool
	readonly, global bool
	named            bool
}

// option takes an option; false: there is none of that letter.
func (d *declaration) option(letter rune, on bool) bool {
	switch letter {
	case 'x':
		d.export, d.unexport = on, !on
	case 'n':
		d.unexport = true
	case 'r':
		d.readonly = true
	case 'g':
		d.global = true
	default:
		return strings.ContainsRune("pai-", letter) // which change nothing here
	}
	return d.variant == "export" || letter != 'n'
}

func (s *shell) declareWord(d *declaration, word string) {
	if len(word) > 1 && (word[0] == '-' || word[0] == '+') && !d.named {
		for _, letter := range word[1:] {
			if !d.option(letter, word[0] == '-') {
				s.status = s.errorf("%s: -%c is not supported", d.variant, letter)
			}
		}
		return
	}
	d.named = true
	name, text, assigned := strings.Cut(word, "=")
	var value expand.Variable
	if assigned {
		value = expand.Variable{Set: true, Kind: expand.String, Str: text}
	}
	s.declareOne(d, name, value)
}

func (s *shell) declareOne(d *declaration, name string, value expand.Variable) {
	if !syntax.ValidName(name) {
		s.status = s.errorf("%s: '%s' is not a valid name", d.variant, name)
		return
	}
	local := d.variant == "local" || s.calls > 0 && !d.global && (d.variant == "declare" || d.variant == "typeset")
	if local {
		if s.calls == 0 {
			s.status = s.errorf("local: only in a function")
			return
		}
		if _, declared := s.vars.vars[name]; !declared {
			s.vars.vars[name] = expand.Variable{Local: true}
		}
	}
	before := s.vars.get(name)
	if value.IsSet() {
		if err := s.Set(name, value); err != nil {
			s.status = s.errorf("%v", err)
			return
		}
		before = s.vars.get(name)
	}
	before.Exported = (before.Exported || d.export || d.variant == "export") && !d.unexport
	before.ReadOnly = before.ReadOnly || d.readonly || d.variant == "readonly"
	s.vars.holder(name).vars[name] = before
}

func (s *shell) listDeclared(d *declaration) {
	if d.variant == "local" {
		return
	}
	for _, name := range sortedNames(s.vars.flat().vars) {
		value := s.vars.get(name)
		shown := value.Exported && d.variant == "export" || value.ReadOnly && d.variant == "readonly" ||
			d.variant != "export" && d.variant != "readonly"
		switch {
		case !shown:
		case value.IsSet():
			printTo(s.stdout(), "%s %s=%s\n", d.variant, name, quote(value.String()))
		default:
			printTo(s.stdout(), "%s %s\n", d.variant, name)
		}
	}
}
