/** Bars of the most probable classes under one activation: in the report, and on the page that `predict` writes. */
import type { Ranked } from "../../../schemas/Compare.ts"
import { type Html, html, join, percent, text } from "./Html.ts"

/** `label` is the true class where it is known; its bar is green. */
export const bars = (title: string, top: ReadonlyArray<Ranked>, label?: string): Html => {
  const rows = top.map(
    (one) =>
      html`<div class="bar${text(one.class === label ? " right" : "")}"><i style="width:${text((100 * one.probability).toFixed(1))}%"></i><span>${text(one.class)}</span><span>${percent(one.probability)}</span></div>`
  )
  return html`<h3>${text(title)}</h3>${join(rows)}`
}
