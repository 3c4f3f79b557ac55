package bed

import (
	"os"

	"netbox/test/world"
)

// User is whom a program under test runs as.
type User struct {
	Name string
	UID  int
	// Prefix is the command line that becomes this user.
	Prefix []string
}

// Privileged is the test's own user: root, or root of its user namespace.
func Privileged() User { return User{Name: "root", UID: os.Geteuid()} }

// Unprivileged is an ordinary user with no capability: uid 65534, or, where a
// user namespace has but one uid, that uid with root's privileges switched
// off (capabilities(7), SECBIT_NOROOT). The bounding set stays as it is, so
// that the helper's file capability counts.
func Unprivileged() User {
	if world.InUserNamespace() {
		return User{Name: "unprivileged", UID: os.Geteuid(), Prefix: []string{
			"setpriv", "--securebits=+noroot,+noroot_locked", "--inh-caps=-all", "--"}}
	}
	return User{Name: "unprivileged", UID: 65534, Prefix: []string{
		"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--"}}
}

// engineVariables are where netbox run takes its --engine and --debuggable from.
var engineVariables = []string{"NETBOX_ENGINE", "NETBOX_DEBUGGABLE"}

// Engine is the environment that has netbox take the engine that the tests are run
// with, if that was said.
func Engine() []string {
	var environment []string
	for _, name := range engineVariables {
		if value, said := os.LookupEnv(name); said {
			environment = append(environment, name+"="+value)
		}
	}
	return environment
}
