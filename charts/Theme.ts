/** The look of charts: one font, few colours, thin lines, space. */
import type { Config } from "vega-lite"
import type { VariantName } from "../schemas/Names.ts"
import { family } from "./Fonts.ts"

/** The colours of the two networks, the same everywhere and distinct in colour blindness. */
export const variantColours: Readonly<Record<VariantName, string>> = { bn: "#2f6fde", nobn: "#d9730d" }

export const variantNames: Readonly<Record<VariantName, string>> = { bn: "with BN", nobn: "without BN" }

/** For a Vega-Lite scale over the variants' names. */
export const variantScale = {
  domain: [variantNames.bn, variantNames.nobn],
  range: [variantColours.bn, variantColours.nobn]
}

/** One panel per network, side by side. */
export const variantFacet = { column: { field: "variant", type: "nominal", title: null, sort: null } } as const

/** Both networks in one chart, by colour. */
export const variantColour = { field: "variant", type: "nominal", title: null, scale: variantScale } as const

/** Size of a chart of curves of both networks, pixels. */
export const curvesSize = { width: 480, height: 260 } as const

/** Size of one panel of curves, pixels. */
export const panelSize = { width: 320, height: 220 } as const

const ink = "currentColor"

export const config: Config = {
  background: "transparent",
  font: `${family}, system-ui, sans-serif`,
  padding: 4,
  view: { stroke: null },
  axis: {
    labelColor: ink,
    titleColor: ink,
    domainColor: ink,
    tickColor: ink,
    gridColor: ink,
    gridOpacity: 0.12,
    domainOpacity: 0.35,
    tickOpacity: 0.35,
    labelOpacity: 0.85,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: "normal",
    titlePadding: 8
  },
  legend: {
    labelColor: ink,
    titleColor: ink,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: "normal",
    orient: "top",
    symbolStrokeWidth: 2
  },
  header: { labelColor: ink, titleColor: ink, labelFontSize: 12, labelFontWeight: 600 },
  title: { color: ink, fontSize: 13, fontWeight: 600, anchor: "start" },
  text: { color: ink, fill: ink },
  line: { strokeWidth: 2 }
}
