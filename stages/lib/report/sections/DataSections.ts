/** Sections about the images: counts, balance, what is not used and why, and the augmented copies. */
import { barsAtEnds, mostBars } from "../../../../charts/Classes.ts"
import type { ClassCounts } from "../../../../schemas/Split.ts"
import { tally } from "../../Tally.ts"
import { type ReportData, type Shown, totalOf } from "../Data.ts"
import {
  type Column,
  count,
  csvLink,
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
    ...(total.beyondLimit > 0 ? [column("over the limit", "beyondLimit")] : []),
    column("near-duplicates dropped", "dropped"),
    column("train", "train"),
    column("validation", "validation"),
    column("test", "test")
  ]
}

const limit = 200

/** All classes and their sum; of many classes the sum, and the first ones folded. */
const countTable = (counts: ReadonlyArray<ClassCounts>, total: ClassCounts): Html => {
  const rows = (of: ReadonlyArray<ClassCounts>, caption: Html): Html =>
    table(caption, countColumns(total), of, (row) => (row === total ? "total" : ""))
  if (counts.length <= mostBars) return rows([...counts, total], html`Images by class; ${csvLink("images")}`)
  const first = counts.slice(0, limit)
  const which = html`The first ${first.length} of ${count(counts.length)} classes`
  return html`${rows([total], html`Images of all classes; ${csvLink("images")}`)}${folded(which, rows(first, which))}`
}

const setAsideList = ({ manifest: { setAside } }: ReportData): Html => {
  if (setAside.length === 0) return paragraph(text("Every file could be decoded; none was set aside."))
  const rows = setAside.slice(0, limit)
  const more = setAside.length > limit ? html` (the first ${limit} are listed)` : nothing
  return html`<h3>Set aside</h3>${table(
    html`${text(setAside.length === 1 ? "1 file is" : `${setAside.length} files are`)} not used${more}; ${csvLink("set-aside")}`,
    [
      { title: "file", head: true, cell: (row) => html`<div class="wrap"><code>${text(row.path)}</code></div>` },
      { title: "reason", cell: (row) => html`<div class="wrap">${text(row.reason)}</div>` }
    ],
    rows
  )}`
}

const policies = {
  drop: "the best image of each group stays, the others are dropped",
  group: "all images stay, each group in one split",
  keep: "all images stay, in any split"
} as const

const duplicateList = ({ manifest }: ReportData): Html => {
  const { duplicates, duplicatePolicy } = manifest
  const images = duplicates.reduce((n, group) => n + group.paths.length, 0)
  const found =
    duplicates.length === 0
      ? text("There are none within a class.")
      : html`There ${text(duplicates.length === 1 ? "is 1 group" : `are ${duplicates.length} groups`)} with ${images} images.`
  const method = html`A perceptual descriptor finds copies that were flipped, turned by a right angle, slightly cropped, resized, brightened or recompressed; a comparison pixel by pixel confirms them. ${found} Policy <code>${text(duplicatePolicy)}</code>: ${text(policies[duplicatePolicy])}.`
  const rows = duplicates.slice(0, limit)
  const list = table(
    html`Groups of near-duplicates${duplicates.length > limit ? html` (the first ${limit})` : nothing}; ${csvLink("near-duplicates")}`,
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
        title: "dropped",
        cell: (row) =>
          join(
            row.paths.filter((path) => !row.kept.includes(path)).map((path) => html`<code>${text(path)}</code>`),
            "<br>"
          )
      }
    ],
    rows
  )
  return html`<h3>Near-duplicates</h3>${paragraph(method)}${duplicates.length === 0 ? nothing : folded(html`Show the groups`, list)}`
}

const small = (image: Shown, caption: Html): Html =>
  image.uri === ""
    ? html`<figure><figcaption>${caption}</figcaption></figure>`
    : html`<figure><img src="${text(image.uri)}" alt="${text(image.path)}" width="96" height="96"><figcaption>${caption}</figcaption></figure>`

const conflictList = ({ conflicts, manifest }: ReportData): Html => {
  if (conflicts.length === 0) return nothing
  const groups = conflicts.map(
    ({ images }) =>
      html`<div class="small">${join(images.map((one) => small(one, html`<strong>${text(one.class)}</strong><br><code>${text(one.path)}</code>`)))}</div>`
  )
  const all = manifest.conflicts.length
  const which = all > conflicts.length ? html`The first ${conflicts.length} are shown; all` : text("All")
  const said =
    all === 1
      ? text("One group of near-duplicates has different labels. Its images stay in one split")
      : html`${count(all)} groups of near-duplicates have different labels. Their images stay, each group in one split`
  return html`<h3>Label conflicts</h3>${paragraph(html`${said}; one of the labels is probably wrong. ${which} are in ${csvLink("label-conflicts")}.`)}${join(groups)}`
}

/** Share of images with a related image in train, were images split without groups: 1 - (1 - f)^(n - 1) in a group of n. */
const wouldLeak = ({ manifest: { images, fractions } }: ReportData): number => {
  const sizes = tally(images.map(({ group }) => group))
  const train = fractions.train / (fractions.train + fractions.validation + fractions.test)
  const sum = images.reduce((total, { group }) => total + 1 - (1 - train) ** (sizes.get(group)! - 1), 0)
  return sum / Math.max(1, images.length)
}

const alikeSplits = ({ lookAlikes: { apart }, duplicatePolicy, given }: ReportData["manifest"]): Html => {
  if (given !== undefined) return html`${count(apart)} pairs are in two of the splits that the folders give`
  if (duplicatePolicy === "keep")
    return html`${count(apart)} pairs are in two splits, which the policy <code>keep</code> allows`
  if (apart === 0) return text("each pair is in one split")
  return html`each pair is in one split, except ${count(apart)} whose groups would have become too large to split`
}

const howSplit = ({ given, fractions, seed }: ReportData["manifest"]): Html => {
  if (given === undefined)
    return html`The split is stratified by class, in proportion ${fractions.train} : ${fractions.validation} : ${fractions.test}, with seed ${seed}`
  return given.length === 3
    ? html`The split is that of the data's own folders`
    : html`The split is that of the data's own folders (${text(given.join(", "))}); the rest of it was drawn from train, stratified by class, with seed ${seed}`
}

export const dataSection = (data: ReportData): Html => {
  const { manifest, charts } = data
  const total = totalOf(manifest.counts)
  const grouping =
    manifest.groupBy === "" || !manifest.images.some(({ path }) => new RegExp(manifest.groupBy, "u").test(path))
      ? nothing
      : html` Images whose paths share the first capture of <code>${text(manifest.groupBy)}</code> are in one split.`
  const leak = wouldLeak(data)
  const relatives =
    leak < 0.005
      ? nothing
      : html` Without groups, ${percent(leak, 0)} of the test images would have a related image or a look-alike in train, and the test scores would be too high.`
  const depth =
    manifest.white === undefined
      ? nothing
      : html` Images of more than eight bits a level are read from 0, black, to ${count(manifest.white)}, white.`
  const { pairs } = manifest.lookAlikes
  const alike =
    pairs === 0
      ? nothing
      : html` ${text(pairs === 1 ? "1 pair of images looks" : `${count(pairs)} pairs of images look`)} alike and may be copies, but ${text(pairs === 1 ? "differs" : "differ")} too much to be called so; ${alikeSplits(manifest)}.`
  return section(
    "data",
    "Data",
    ["manifest"],
    [
      paragraph(
        html`The data folder has ${count(total.found)} files in ${count(manifest.classes.length)} class folders; ${count(total.train + total.validation + total.test)} images are used. ${howSplit(manifest)}; it comes before augmentation. No group of related images is in two splits${manifest.leaks === 0 ? nothing : html`, except ${manifest.leaks} that the policy allows`}; ${text(manifest.groupsOfMany === 1 ? "1 group has" : `${manifest.groupsOfMany} groups have`)} more than one image.${grouping}${alike}${relatives}${depth}`
      ),
      figure(
        "balance",
        charts.balance,
        manifest.counts.length > mostBars
          ? html`Images by split: the ${barsAtEnds} largest and the ${barsAtEnds} smallest of ${count(manifest.counts.length)} classes.`
          : text("Images of each class by split."),
        data.tables
      ),
      countTable(manifest.counts, total),
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
        html`The train split has ${count(originals)} originals and ${count(copies)} augmented copies (${count(train.records.length)} images); validation (${count(validation.records.length)}) and test (${count(test.records.length)}) have originals only. All images are ${index.size} × ${index.size} pixels.`
      ),
      figure(
        "augmentation",
        html`<img src="${text(contactSheet)}" alt="Originals, framed in blue, each followed by its augmented copies, in rows by class">`,
        html`Originals (framed) and their augmented copies, a few of each class.`
      ),
      missingLetters === undefined ? nothing : paragraph(text(missingLetters))
    ]
  )
}
