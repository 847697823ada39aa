/** Sections about the images: counts, balance, what was left out and why, and the augmented ones. */
import type { ClassCounts } from "../../../../schemas/Split.ts"
import { tally } from "../../Tally.ts"
import { type ReportData, type Shown, totalOf } from "../Data.ts"
import {
  type Column,
  count,
  figure,
  folded,
  type Html,
  html,
  join,
  nothing,
  paragraph,
  percent,
  section,
  table,
  text
} from "../Html.ts"

const countColumns = (total: ClassCounts): ReadonlyArray<Column<ClassCounts>> => {
  const column = (title: string, key: Exclude<keyof ClassCounts, "class">): Column<ClassCounts> => ({
    title,
    numeric: true,
    cell: (row) => count(row[key])
  })
  return [
    { title: "class", head: true, cell: (row) => text(row.class) },
    column("found", "found"),
    column("set aside", "setAside"),
    ...(total.beyondLimit > 0 ? [column("beyond limit", "beyondLimit")] : []),
    column("near-duplicates left out", "dropped"),
    column("train", "train"),
    column("validation", "validation"),
    column("test", "test")
  ]
}

const limit = 200

const setAsideList = ({ manifest: { setAside } }: ReportData): Html => {
  if (setAside.length === 0) return paragraph(text("Every file could be decoded; none was set aside."))
  const rows = setAside.slice(0, limit)
  const more = setAside.length > limit ? html` (the first ${limit} are listed; all are in the manifest)` : nothing
  return html`<h3>Set aside</h3>${table(
    html`${setAside.length} files take no part${more}`,
    [
      { title: "file", head: true, cell: (row) => html`<code>${text(row.path)}</code>` },
      { title: "reason", cell: (row) => html`<div class="wrap">${text(row.reason)}</div>` }
    ],
    rows
  )}`
}

const policies = {
  drop: "the best of each group stays, the others are left out",
  group: "all stay, each group in one split",
  keep: "all stay, wherever they fall"
} as const

const duplicateList = ({ manifest }: ReportData): Html => {
  const { duplicates, duplicatePolicy } = manifest
  const images = duplicates.reduce((n, group) => n + group.paths.length, 0)
  const said = html`Flips, quarter turns, mild crops, resized, brightened and recompressed copies are found by a perceptual descriptor and confirmed pixel by pixel. ${duplicates.length} groups with ${images} images were found; policy <code>${text(duplicatePolicy)}</code>: ${text(policies[duplicatePolicy])}.`
  const rows = duplicates.slice(0, limit)
  const list = table(
    html`Groups of near-duplicates${duplicates.length > limit ? html` (the first ${limit})` : nothing}`,
    [
      { title: "class", head: true, cell: (row) => text(row.class) },
      {
        title: "kept",
        cell: (row) =>
          join(
            row.kept.map((path) => html`<code>${text(path)}</code>`),
            "<br>"
          )
      },
      {
        title: "left out",
        cell: (row) =>
          join(
            row.paths.filter((path) => !row.kept.includes(path)).map((path) => html`<code>${text(path)}</code>`),
            "<br>"
          )
      }
    ],
    rows
  )
  return html`<h3>Near-duplicates</h3>${paragraph(said)}${duplicates.length === 0 ? nothing : folded(html`Show the groups`, list)}`
}

const small = (image: Shown, caption: Html): Html =>
  image.uri === ""
    ? html`<figure><figcaption>${caption}</figcaption></figure>`
    : html`<figure><img src="${text(image.uri)}" alt="${text(image.path)}" width="96" height="96"><figcaption>${caption}</figcaption></figure>`

const conflictList = ({ conflicts }: ReportData): Html => {
  if (conflicts.length === 0) return nothing
  const groups = conflicts.map(
    ({ images }) =>
      html`<div class="small">${join(images.map((one) => small(one, html`<strong>${text(one.class)}</strong><br><code>${text(one.path)}</code>`)))}</div>`
  )
  return html`<h3>Label conflicts</h3>${paragraph(html`${conflicts.length} groups of near-duplicates carry different labels. They stay, each group in one split; one of the labels is probably wrong.`)}${join(groups)}`
}

/** Share of images with a relative in train, had each been dealt on its own: 1 - (1 - f)^(n - 1) in a group of n. */
const wouldLeak = ({ manifest: { images, fractions } }: ReportData): number => {
  const sizes = tally(images.map(({ group }) => group))
  const train = fractions.train / (fractions.train + fractions.validation + fractions.test)
  const sum = images.reduce((total, { group }) => total + 1 - (1 - train) ** (sizes.get(group)! - 1), 0)
  return sum / Math.max(1, images.length)
}

const alikeSplits = ({ lookAlikes: { apart }, duplicatePolicy }: ReportData["manifest"]): Html => {
  if (duplicatePolicy === "keep")
    return html`${count(apart)} of them are in two splits, as the policy <code>keep</code> allows`
  if (apart === 0) return text("each pair is in one split")
  return html`each is in one split, but for ${count(apart)} that would have made groups too large to be split`
}

export const dataSection = (data: ReportData): Html => {
  const { manifest, charts } = data
  const total = totalOf(manifest.counts)
  const grouping =
    manifest.groupBy === "" || !manifest.images.some(({ path }) => new RegExp(manifest.groupBy, "u").test(path))
      ? nothing
      : html` Images with the same first capture of <code>${text(manifest.groupBy)}</code> in their path stay together.`
  const leak = wouldLeak(data)
  const relatives =
    leak < 0.005
      ? nothing
      : html` Had each image been dealt on its own, ${percent(leak, 0)} of the test images would have had a relative or a look-alike in train, and the test scores would be too good.`
  const { pairs } = manifest.lookAlikes
  const alike =
    pairs === 0
      ? nothing
      : html` ${count(pairs)} pairs of images may be copies though they differ too much to be called so; ${alikeSplits(manifest)}.`
  return section(
    "data",
    "Data",
    ["manifest"],
    [
      paragraph(
        html`${count(total.found)} files in ${manifest.classes.length} class folders; ${count(total.train + total.validation + total.test)} take part. They were split before any augmentation, stratified by class, in proportion ${manifest.fractions.train} : ${manifest.fractions.validation} : ${manifest.fractions.test}, seed ${manifest.seed}. No group of images that belong together is in two splits${manifest.leaks === 0 ? nothing : html`, but for ${manifest.leaks} that the policy allows`}; ${manifest.groupsOfMany} groups have more than one image.${grouping}${alike}${relatives}`
      ),
      figure(charts.balance, text("Images of each class, and what became of them.")),
      table(html`Images by class`, countColumns(total), [...manifest.counts, total], (row) =>
        row === total ? "total" : ""
      ),
      setAsideList(data),
      duplicateList(data),
      conflictList(data)
    ]
  )
}

export const augmentationSection = ({ index, contactSheet, missingLetters }: ReportData): Html => {
  const { train, validation, test } = index.splits
  const originals = train.records.filter((record) => record.copy === 0).length
  const copies = train.records.length - originals
  return section(
    "augmentation",
    "Augmentation",
    ["index"],
    [
      paragraph(
        html`The train split has ${count(originals)} originals and ${count(copies)} augmented copies, ${count(train.records.length)} images in all; validation (${count(validation.records.length)}) and test (${count(test.records.length)}) have originals only. All are ${index.size} × ${index.size} pixels.`
      ),
      figure(
        html`<img src="${text(contactSheet)}" alt="Originals, framed in blue, each followed by its augmented copies, in rows by class">`,
        html`Originals (framed) beside their augmented copies, some of each class.`
      ),
      missingLetters === undefined ? nothing : paragraph(text(missingLetters))
    ]
  )
}
