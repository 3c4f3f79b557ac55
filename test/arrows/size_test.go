package arrows

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

func TestSizes(t *testing.T) {
	unused := map[string]bool{}
	for name := range longFunctions {
		unused[name] = true
	}
	for _, p := range packages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		for _, file := range p.GoFiles {
			checkFile(t, pkg, filepath.Join(p.Dir, file), unused)
		}
	}
	for name := range unused {
		t.Errorf("test/arrows/rules.go allows a long %s, and there is none", name)
	}
}

// checkFile measures a file and its functions, and strikes the long ones that
// are allowed off unused.
func checkFile(t *testing.T, pkg, path string, unused map[string]bool) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	short := pkg + "/" + filepath.Base(path)
	if n := files.Position(file.FileEnd).Line - 1; n > maxFileLines {
		t.Errorf("%s has %d lines, more than %d", short, n, maxFileLines)
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		n := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1
		name := pkg + "." + functionName(f)
		bound := maxFunctionLines
		if b, ok := longFunctions[name]; ok && n > maxFunctionLines {
			bound = b
			delete(unused, name)
		}
		if n > bound {
			t.Errorf("%s: %s has %d lines, more than %d", short, name, n, bound)
		}
	}
}

// functionName is the function's name, with its receiver's type before it.
func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	if index, ok := receiver.(*ast.IndexExpr); ok {
		receiver = index.X
	}
	if name, ok := receiver.(*ast.Ident); ok {
		return name.Name + "." + f.Name.Name
	}
	return f.Name.Name
}
