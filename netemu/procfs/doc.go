// Package procfs has the files in which Linux tells of the network: /proc/net,
// /proc/sys/net and /sys/class/net, as those of the sandbox.
//
// [Judge] says from the text of a path alone whether it leads to one of them;
// [Lookup] finds the file, whose contents are made when they are asked for, in
// the columns, widths and byte orders of Linux 6.18. What the files tell comes
// from a [Source]. Contents that are the same on every host are data:
// sysctl.txt and counters.txt. Handing a file to a task is netemu's.
package procfs
