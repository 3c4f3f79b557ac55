package tracer

import "strings"

// defaultPath is what execvp(3) of glibc takes without PATH.
const defaultPath = "/bin:/usr/bin"

// searchPath are the paths that execvp(3) tries for name, in order.
func searchPath(name string, env []string) []string {
	if name == "" || strings.Contains(name, "/") {
		return []string{name}
	}
	path := defaultPath
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
			break // getenv(3) finds the first
		}
	}
	paths := strings.Split(path, ":")
	for i, dir := range paths {
		if dir == "" {
			dir = "."
		}
		paths[i] = dir + "/" + name
	}
	return paths
}
