// Package bed holds what the end-to-end tests share: netbox and its helper
// built once and placed where every user may run them, processes with an end
// that is sure, and terminals.
package bed
