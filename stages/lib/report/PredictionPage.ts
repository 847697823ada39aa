/**
 * The page of `op-pipe predict --html`: each image beside its most probable classes, in one self-contained HTML file.
 *
 * The network's input stands beside each image: squashed or cropped to a square, at the size of the training. A wrong
 * prediction often comes from that.
 */
import * as Effect from "effect/Effect"
import type { Sharp } from "sharp"
import type { ActivationName } from "../../../schemas/activations/Activations.ts"
import type { Ranked } from "../../../schemas/Compare.ts"
import { openImage } from "../images/OpenImage.ts"
import { loadSharp } from "../images/Sharp.ts"
import { bars } from "./Bars.ts"
import { type Evidence, spotlightUri } from "./drawings/Spotlight.ts"
import { type Html, html, join, nothing, text, trusted } from "./Html.ts"
import { jpegUri, shownSize } from "./Images.ts"
import { style } from "./look/Style.ts"

/** The most probable classes under one activation. */
export interface Top {
  readonly activation: ActivationName
  /** None where the activation overflowed. */
  readonly classes: ReadonlyArray<Ranked>
}

/** An image with its predictions, or the reason why there are none. */
export type PredictedImage =
  | {
      readonly image: string
      /** Data URIs: the image, and the network's input. */
      readonly uri: string
      readonly inputUri: string
      /** What speaks for the most probable class; undefined where the network has no convolution. */
      readonly evidence: { readonly class: string; readonly uri: string } | undefined
      readonly top: ReadonlyArray<Top>
    }
  | { readonly image: string; readonly error: string }

export interface PageData {
  readonly images: ReadonlyArray<PredictedImage>
  /** A clause about the network: "has batch normalization and distinguishes 18 classes". */
  readonly network: string
  /** Provenance: names and values. */
  readonly from: ReadonlyArray<readonly [name: string, value: string]>
}

/** Largest side of an image on the page: twice what is shown, for screens that have the pixels. */
const shownSide = 480

/** On white, where it was transparent. */
const pageUri = (image: Sharp): Promise<string> => jpegUri(image.flatten({ background: "#ffffff" }), { quality: 84 })

/** The image for the page, upright. It was decoded for the network before, so its number of pixels is acceptable. */
export const imageUri = (bytes: Uint8Array): Effect.Effect<string> =>
  // it was decoded for the network before: a failure is a bug
  Effect.promise(async () => {
    const { image } = await openImage(bytes, Number.MAX_SAFE_INTEGER)
    return pageUri(
      image.autoOrient().resize(shownSide, shownSide, { fit: "inside", withoutEnlargement: true }).toColourspace("srgb")
    )
  })

/** The input of the network: `size * size * 3` levels. */
export const inputUri = (pixels: Uint8Array, size: number): Effect.Effect<string> =>
  Effect.promise(async () => {
    const sharp = await loadSharp()
    return pageUri(sharp(pixels, { raw: { width: size, height: size, channels: 3 } }).resize(Math.min(size, 128)))
  })

/** The same with what speaks for a class. */
export const evidenceUri = (pixels: Uint8Array, evidence: Evidence, size: number): Effect.Effect<string> =>
  Effect.promise(() => spotlightUri(pixels, evidence, size, 2 * shownSize))

const more = `
.prediction { display:grid; grid-template-columns:minmax(0,15rem) minmax(0,1fr); gap:1.4rem; background:var(--panel); border:1px solid var(--line); border-radius:10px; padding:1rem; margin:1rem 0; }
.prediction h2 { font-size:1rem; margin:0 0 .2rem; padding:0; border:0; overflow-wrap:anywhere; }
.prediction .image { display:block; max-width:100%; max-height:15rem; border-radius:6px; background:#fff; }
.prediction .seen { margin:.6rem 0 0; display:flex; gap:.6rem; font-size:.78rem; color:var(--soft); } .prediction .seen div { width:112px; overflow-wrap:anywhere; }
.prediction .seen img { display:block; width:112px; height:112px; border-radius:4px; background:#fff; margin-bottom:.2rem; }
.prediction .error { color:var(--no); font-weight:500; margin:.2rem 0; }
.prediction .bars { display:grid; grid-template-columns:repeat(auto-fit,minmax(13rem,1fr)); gap:.2rem 1.6rem; max-width:44rem; }
.prediction .bars h3 { font-size:.82rem; } .prediction .bar { font-size:.92rem; padding:.16rem .4rem; } .prediction .bar i { opacity:.3; }
.prediction .bar + .bar { margin-top:.15rem; }
.one { max-width:960px; margin:0 auto; padding:0 1.25rem 4rem; }
dl { display:grid; grid-template-columns:max-content minmax(0,1fr); gap:.2rem 1rem; font-size:.88rem; } dt { color:var(--soft); } dd { margin:0; overflow-wrap:anywhere; }
@media (max-width: 600px) { .prediction { grid-template-columns:minmax(0,1fr); gap:.8rem; } dl { grid-template-columns:minmax(0,1fr); gap:0; } dd { margin-bottom:.4rem; } }
@media print { .prediction { break-inside:avoid; } }
`

const topBars = ({ activation, classes }: Top): Html =>
  classes.length > 0
    ? html`<div>${bars(activation, classes)}</div>`
    : html`<div><h3>${text(activation)}</h3><p class="error">Overflow: a logit is above 88.7, and its exponential exceeds float32.</p></div>`

const seen = (evidence: { readonly class: string; readonly uri: string } | undefined): Html =>
  evidence === undefined
    ? nothing
    : html`<div><img src="${text(evidence.uri)}" alt="" width="112" height="112">what speaks for ${text(evidence.class)}</div>`

const card = (one: PredictedImage): Html =>
  "error" in one
    ? html`<article class="prediction"><div></div><div><h2>${text(one.image)}</h2><p class="error">${text(one.error)}</p></div></article>`
    : html`<article class="prediction"><div><img class="image" src="${text(one.uri)}" alt="${text(one.image)}"><div class="seen"><div><img src="${text(one.inputUri)}" alt="" width="112" height="112">input of the network</div>${seen(one.evidence)}</div></div><div><h2>${text(one.image)}</h2><div class="bars">${join(one.top.map(topBars))}</div></div></article>`

const title = "Predictions"

/** The whole page. */
export const renderPredictions = ({ images, network, from }: PageData): string => {
  const bad = images.filter((one) => "error" in one).length
  const good = images.length - bad
  const unread = bad === 0 ? text("") : html`, and ${bad} that could not be read`
  const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
  const facts = from.map(([name, value]) => html`<dt>${text(name)}</dt><dd>${text(value)}</dd>`)
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${text(policy)}">
<title>${text(title)}</title>
<link rel="icon" href="data:,">
<style>${trusted(style + more)}</style></head>
<body><main class="one">
<h1>${text(title)}</h1>
<p class="lead">${good} ${text(good === 1 ? "image" : "images")}${unread}; the network ${text(network)}. Each image has up to three classes; classes with probability 0 are left out.${images.some((one) => !("error" in one) && one.evidence !== undefined) ? text(" What speaks for the first class is by Grad-CAM, on the last convolution: as it is where the network looked, grey where it did not.") : nothing}</p>
${join(images.map(card))}
<h2>Provenance</h2>
<dl>${join(facts)}</dl>
</main></body></html>
`
}
