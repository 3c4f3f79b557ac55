package bed

import (
	"os"
	"testing"

	"netbox/test/world"
)

// User is whom a program under test runs as.
type User struct {
	Name string
	UID  int
	// Prefix is the command line that becomes this user.
	Prefix []string
}

// Privileged is the test's own user: root, or root of its user namespace; [User.Need]
// skips the test where it is neither.
func Privileged() User { return User{Name: "root", UID: os.Geteuid()} }

// Need skips the test where nobody can become this user.
func (u User) Need(t testing.TB) {
	t.Helper()
	if u.Prefix == nil {
		world.NeedRoot(t)
	}
}

// Unprivileged is an ordinary user with no capability: uid 65534, or, where a
// user namespace has but one uid, that uid with root's privileges switched
// off (capabilities(7), SECBIT_NOROOT). The bounding set stays as it is, so
// that the helper's file capability counts. An ordinary user without namespaces
// is one itself.
func Unprivileged() User {
	if os.Geteuid() != 0 {
		return User{Name: "unprivileged", UID: os.Geteuid(), Prefix: []string{"env"}}
	}
	if world.InUserNamespace() {
		return User{Name: "unprivileged", UID: os.Geteuid(), Prefix: []string{
			"setpriv", "--securebits=+noroot,+noroot_locked", "--inh-caps=-all", "--"}}
	}
	return User{Name: "unprivileged", UID: 65534, Prefix: []string{
		"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--"}}
}

// Nobody is an ordinary user whose uid is not 0: where a user namespace has but
// one uid, that uid by another number, in a user namespace inside of it. There
// it has no right to this network namespace, and the helper's file capability
// gives none.
func Nobody() User {
	u := Unprivileged()
	if world.InUserNamespace() {
		u.Prefix = []string{"unshare", "--user", "--map-user=65534", "--map-group=65534", "--"}
	}
	return u
}

// engineVariables are where netbox run takes its --engine and --debuggable from.
var engineVariables = []string{"NETBOX_ENGINE", "NETBOX_DEBUGGABLE"}

// Environment is what netbox is to find in its environment, whatever else a test
// gives it: the engine that the tests are run with, if that was said, and where
// the race detector reports, after Build.
func Environment() []string {
	var env []string
	for _, name := range append(engineVariables, raceVariable) {
		if value, said := os.LookupEnv(name); said {
			env = append(env, name+"="+value)
		}
	}
	return env
}
