// Package link joins two netstacks in one process.
package link
