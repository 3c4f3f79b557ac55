// Package bed holds what the end-to-end tests share: netbox and its helper
// built once and placed where every user may run them, processes with an end
// that is sure, and terminals. When the tests are built for the race detector,
// netbox is too, and its reports of data races fail the test that ran it.
package bed
