/**
 * From a Vega-Lite specification to SVG, and from SVG to PNG, without a browser and without `canvas`.
 *
 * Without a canvas Vega estimates the width of text, far too wide. Here widths are summed from the glyphs of the
 * charts' font.
 *
 * Gotchas:
 * - Colours of text and axes are `currentColor`: an SVG that is put into a page takes the page's, in dark and in light.
 *   `standalone` fixes them for a file of its own.
 * - Vega and resvg are loaded when a renderer is made, so that reading a pipeline's declarations does not load them.
 * - Vega's text metrics are a global of the module; they are set once and are the same for every chart.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { TopLevelSpec } from "vega-lite"
import { type Fonts, fontsFor, type Missing, resvgFont, shortened, textWidth, type Weight } from "./Fonts.ts"
import { config } from "./Theme.ts"
import { escapeXml, plainXml } from "./Xml.ts"

export type { TopLevelSpec } from "vega-lite"

/** A chart cannot be drawn: its specification is wrong, which is a bug. */
export class ChartError extends Data.TaggedError("ChartError")<{ readonly reason: string }> {
  override get message(): string {
    return `A chart cannot be drawn: ${this.reason}`
  }
}

export interface Renderer {
  /** SVG with `currentColor` for text and axes and no background. */
  readonly svg: (spec: TopLevelSpec) => Effect.Effect<string, ChartError>
  /** PNG of an SVG, `scale` pixels per unit. */
  readonly png: (svg: string, scale: number, scheme: Scheme) => Effect.Effect<Uint8Array, ChartError>
  /** As much of a text as there is room for, in units, at a font size. */
  readonly shortened: (text: string, room: number, fontSize: number) => string
  /** Letters of the names that no font has. */
  readonly missing: Missing | undefined
  /** An SVG for readers who may lack the charts' font: its texts keep the width that they were measured to have. */
  readonly fitted: (svg: string) => string
}

const failed = (cause: unknown): ChartError => new ChartError({ reason: String(cause) })

/** The item that Vega passes to its text metrics. */
interface TextItem {
  readonly fontSize?: number
  readonly fontWeight?: string | number
  readonly limit?: number
}

const weightOf = (weight: string | number | undefined): Weight =>
  weight === "bold" || Number(weight) >= 600 ? "semiBold" : "regular"

const attribute = (attributes: string, name: string): string | undefined =>
  new RegExp(` ${name}="([^"]*)"`, "u").exec(attributes)?.[1]

/** Each text with the width that it has in the charts' font: a reader without it has another, whose letters take more room. */
export const fitted = (fonts: Fonts, svg: string): string =>
  svg.replace(/<text([^>]*)>([^<]{2,})<\/text>/gu, (whole, attributes: string, content: string) => {
    const text = plainXml(content)
    if (fonts.guesses(text)) return whole
    const size = Number.parseFloat(attribute(attributes, "font-size") ?? "11")
    const width = textWidth(fonts, text, size, weightOf(attribute(attributes, "font-weight")))
    return `<text${attributes} textLength="${Number(width.toFixed(1))}" lengthAdjust="spacingAndGlyphs">${content}</text>`
  })

const textOf = (text: unknown): string => (text === undefined || text === null ? "" : String(text))

/** Makes a renderer; reads the font files. `names` are the texts that come from data, which may need fonts of their own. */
export const makeRenderer = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  const [vega, { compile }, { Resvg }] = yield* Effect.promise(() =>
    Promise.all([import("vega"), import("vega-lite"), import("@resvg/resvg-js")])
  )
  const fonts = yield* fontsFor(names)
  // not in vega's types
  const metrics = (vega as unknown as { textMetrics: { width: (item: TextItem, text: unknown) => number } }).textMetrics
  metrics.width = (item, text) => {
    const width = textWidth(fonts, textOf(text), item.fontSize ?? 11, weightOf(item.fontWeight))
    return item.limit !== undefined && item.limit > 0 ? Math.min(width, item.limit) : width
  }
  const svg = (spec: TopLevelSpec): Effect.Effect<string, ChartError> =>
    Effect.tryPromise({
      try: () => {
        const compiled = compile({ ...spec, config: { ...config, ...spec.config } } as TopLevelSpec)
        // otherwise ids of gradients go on counting from chart to chart
        vega.resetSVGDefIds()
        return new vega.View(vega.parse(compiled.spec), { renderer: "none" }).toSVG()
      },
      catch: failed
    })
  const png = (source: string, scale: number, scheme: Scheme): Effect.Effect<Uint8Array, ChartError> =>
    Effect.try({
      try: () =>
        new Resvg(standalone(source, scheme), {
          fitTo: { mode: "zoom", value: scale },
          background: schemes[scheme].ground,
          font: resvgFont(fonts)
        })
          .render()
          .asPng(),
      catch: failed
    })
  return {
    svg,
    png,
    shortened: (text, room, fontSize) => shortened(fonts, text, room, fontSize),
    missing: fonts.missing,
    fitted: (source) => fitted(fonts, source)
  } satisfies Renderer
})

/** Text and ground of a file of its own, for pages that are light or dark. */
const schemes = { light: { ink: "#24292f", ground: "#ffffff" }, dark: { ink: "#e6eaef", ground: "#14181d" } } as const
export type Scheme = keyof typeof schemes
export const schemeNames = Object.keys(schemes) as ReadonlyArray<Scheme>

/** The SVG for a file of its own, legible in any viewer. */
export const standalone = (svg: string, scheme: Scheme): string => {
  const { ink, ground } = schemes[scheme]
  return svg.replace(/currentColor/gu, ink).replace("<svg ", `<svg style="background:${ground}" `)
}

/**
 * The SVG for a page: as wide as it was drawn, so that its text stays legible, has one label as a whole, and each mark
 * shows its numbers on hover (Vega's labels become titles). `name` keeps the ids of one chart apart from those of
 * another.
 */
export const inline = (svg: string, name: string, label: string): string => {
  const end = svg.indexOf(">", svg.indexOf("<svg ")) + 1
  const head = svg
    .slice(svg.indexOf("<svg "), end)
    .replace(/width="([\d.]+)" height="([\d.]+)"/u, (_, width: string) => {
      return `role="img" aria-label="${escapeXml(label)}" style="width:${width}px;height:auto"`
    })
  const body = svg
    .slice(end)
    .replace(/<(path|text|line|rect)([^>]*?) aria-label="([^"]*)"([^>]*?)\/>/gu, "<$1$2$4><title>$3</title></$1>")
    .replace(/ (?:role|aria-label|aria-roledescription|aria-hidden)="[^"]*"/gu, "")
    .replace(/(id="|url\(#|href="#)((?:gradient_|clip)\d+)/gu, `$1${name}-$2`)
  return head + body
}
