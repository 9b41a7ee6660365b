package lint

import (
	"text/template/parse"
	"unicode/utf8"
)

// templateUse is what a template of a rule does.
type templateUse struct {
	labels []string
	value  bool
	plain  int // characters outside of actions
}

// holds is what a variable or the dot of a template holds.
type holds int

const (
	something holds = iota
	everything
	allLabels
	theValue
)

type templateWalk struct {
	templateUse
	vars map[string]holds
}

func useOf(text string) (templateUse, error) {
	tree := parse.New("rule")
	tree.Mode = parse.SkipFuncCheck
	const declared = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
	tree, err := tree.Parse(declared+text, "", "", map[string]*parse.Tree{})
	if err != nil {
		return templateUse{}, err
	}
	w := &templateWalk{vars: map[string]holds{"$": everything}}
	nodes := tree.Root.Nodes
	const declarations = 4
	for i, n := range nodes {
		if i < declarations {
			w.declare(n)
			continue
		}
		w.node(n, everything)
	}
	return w.templateUse, nil
}

// declare notes what a variable of Prometheus holds, which is no use of it.
func (w *templateWalk) declare(n parse.Node) {
	if a, ok := n.(*parse.ActionNode); ok {
		value := w.value
		w.pipe(a.Pipe, everything)
		w.value = value
	}
}

func (w *templateWalk) node(n parse.Node, dot holds) {
	switch x := n.(type) {
	case *parse.TextNode:
		w.plain += utf8.RuneCount(x.Text)
	case *parse.ListNode:
		if x == nil {
			return
		}
		for _, c := range x.Nodes {
			w.node(c, dot)
		}
	case *parse.ActionNode:
		w.pipe(x.Pipe, dot)
	case *parse.TemplateNode:
		if x.Pipe != nil {
			w.pipe(x.Pipe, dot)
		}
	case *parse.IfNode:
		w.pipe(x.Pipe, dot)
		w.node(x.List, dot)
		w.node(x.ElseList, dot)
	case *parse.WithNode:
		w.node(x.List, w.pipe(x.Pipe, dot))
		w.node(x.ElseList, dot)
	case *parse.RangeNode:
		w.pipe(x.Pipe, dot)
		for _, v := range x.Pipe.Decl {
			w.vars[v.Ident[0]] = something
		}
		w.node(x.List, something)
		w.node(x.ElseList, dot)
	}
}

// pipe notes the uses of a pipeline, and returns what it yields.
func (w *templateWalk) pipe(p *parse.PipeNode, dot holds) holds {
	yields := something
	for i, c := range p.Cmds {
		y := w.command(c, dot)
		if i == 0 && len(p.Cmds) == 1 {
			yields = y
		}
	}
	for _, v := range p.Decl {
		w.vars[v.Ident[0]] = yields
	}
	return yields
}

func (w *templateWalk) command(c *parse.CommandNode, dot holds) holds {
	if f, ok := c.Args[0].(*parse.IdentifierNode); ok && f.Ident == "index" && len(c.Args) == 3 {
		if name, ok := c.Args[2].(*parse.StringNode); ok && w.operand(c.Args[1], dot) == allLabels {
			w.labels = append(w.labels, name.Text)
			return something
		}
	}
	yields := something
	for _, a := range c.Args {
		y := w.operand(a, dot)
		if len(c.Args) == 1 {
			yields = y
		}
	}
	return yields
}

func (w *templateWalk) operand(n parse.Node, dot holds) holds {
	yields := something
	switch x := n.(type) {
	case *parse.DotNode:
		yields = dot
	case *parse.VariableNode:
		yields = w.fields(w.vars[x.Ident[0]], x.Ident[1:])
	case *parse.FieldNode:
		yields = w.fields(dot, x.Ident)
	case *parse.ChainNode:
		yields = w.fields(w.operand(x.Node, dot), x.Field)
	case *parse.PipeNode:
		yields = w.pipe(x, dot)
	}
	w.value = w.value || yields == theValue
	return yields
}

func (w *templateWalk) fields(of holds, names []string) holds {
	for _, name := range names {
		switch {
		case of == allLabels:
			w.labels = append(w.labels, name)
			of = something
		case of == everything && name == "Labels":
			of = allLabels
		case of == everything && name == "Value":
			of = theValue
		default:
			of = something
		}
	}
	return of
}
