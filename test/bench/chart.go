package main

import (
	"bytes"
	"fmt"
	"html"
	"slices"
)

// The chart is bars of one height, grouped by row; lengths are pixels.
const (
	labelWidth = 310
	fullWidth  = 480 // of native's share, 1
	mostShare  = 1.2 // a longer bar is cut off
	barHeight  = 7
	groupGap   = 9
	top        = 58
	legendStep = 130
	legendRow  = 6 // entries of a line
)

// colours are those of the sides in their order; native has none, it is the line
// at 1. netbox's own are of one hue.
var colours = []string{"", "#08519c", "#00838f", "#4292c6", "#9ecae1", "#7986cb", "#d94801", "#238b45", "#74c476", "#6a51a3", "#969696", "#c49c5a"}

// chart is the SVG: for each row the share of native of every side that has one,
// and a mark at the aim.
func (r *results) chart() []byte {
	var body bytes.Buffer
	y := top
	for _, row := range r.Rows {
		if row.Table == mainTable {
			y = r.group(&body, row, y)
		}
	}
	var svg bytes.Buffer
	width := labelWidth + int(fullWidth*mostShare) + 60
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n", width, y+10)
	fmt.Fprintf(&svg, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, y+10)
	r.legend(&svg)
	for tenths := 0; tenths <= 12; tenths += 2 {
		x, colour := labelWidth+fullWidth*tenths/10, "#ddd"
		if tenths == 10 {
			colour = "#444"
		}
		fmt.Fprintf(&svg, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s"/>`+"\n", x, top-4, x, y, colour)
		fmt.Fprintf(&svg, `<text x="%d" y="%d" text-anchor="middle" fill="#444">%.1f</text>`+"\n", x, top-7, float64(tenths)/10)
	}
	svg.Write(body.Bytes())
	svg.WriteString("</svg>\n")
	return svg.Bytes()
}

func (r *results) legend(svg *bytes.Buffer) {
	n := 0
	for i, s := range r.Sides {
		if s.Name == native || s.leftOut() || !slices.ContainsFunc(r.Rows, func(row rowResult) bool { return row.Table == mainTable && row.has(s.Name) }) {
			continue
		}
		x, y := 10+n%legendRow*legendStep, 8+n/legendRow*15
		fmt.Fprintf(svg, `<rect x="%d" y="%d" width="10" height="10" fill="%s"/>`, x, y, colours[i%len(colours)])
		fmt.Fprintf(svg, `<text x="%d" y="%d">%s</text>`+"\n", x+14, y+9, html.EscapeString(s.Name))
		n++
	}
	fmt.Fprintf(svg, `<text x="%d" y="%d" fill="#444">share of native; | is the aim</text>`+"\n", 10, top-7)
}

// group draws one row from y on and returns where the next begins.
func (r *results) group(svg *bytes.Buffer, row rowResult, y int) int {
	begin := y
	for i, s := range r.Sides {
		share, ok := row.share(s.Name)
		if !ok || s.Name == native {
			continue
		}
		length := int(min(share, mostShare) * fullWidth)
		fmt.Fprintf(svg, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"><title>%s: %.2f</title></rect>`+"\n",
			labelWidth, y, length, barHeight-1, colours[i%len(colours)], html.EscapeString(s.Name), share)
		if aim := row.Aims[s.Name]; aim != 0 {
			x := labelWidth + int(aim*fullWidth)
			fmt.Fprintf(svg, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#e00"/>`+"\n", x, y-1, x, y+barHeight)
		}
		y += barHeight
	}
	if y == begin {
		return y // no share: memory
	}
	label := row.Name
	if row.Pin != "" {
		label += ", " + row.Pin
	}
	fmt.Fprintf(svg, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth-6, (begin+y)/2+4, html.EscapeString(label))
	return y + groupGap
}
