/** Random folders of files, links and folders: made, written, and told in words. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import * as path from "node:path"
import * as fc from "fast-check"

export interface Content {
  readonly kind: "file"
  readonly bytes: Uint8Array
  readonly mode: number
}
export interface Folder {
  readonly kind: "folder"
  readonly items: Readonly<Record<string, Item>>
}
export type Item = Content | { readonly kind: "link"; readonly target: string } | Folder

const { folder: anyFolder } = fc.letrec<{ item: Item; folder: Folder }>((tie) => ({
  item: fc.oneof(
    { maxDepth: 3 },
    fc.record({
      kind: fc.constant("file" as const),
      // few contents, so that one blob is often two files, with two modes
      bytes: fc.oneof(fc.uint8Array({ maxLength: 9 }), fc.constant(new TextEncoder().encode("a\r\nb\n"))),
      mode: fc.constantFrom(0o644, 0o755, 0o600, 0o444, 0o555)
    }),
    fc.record({
      kind: fc.constant("link" as const),
      target: fc.constantFrom(".", "a", "../a.b", "nowhere", "/nowhere/at/all")
    }),
    tie("folder")
  ),
  folder: fc.record({
    kind: fc.constant("folder" as const),
    items: fc.dictionary(fc.constantFrom("a", "a.b", "a-b", "A", "ü", "two words", ".hidden"), tie("item"), {
      maxKeys: 4
    })
  })
}))

/** Links that would leave the folder lead within it. */
export const folders: fc.Arbitrary<Folder> = anyFolder.map(({ kind, items }) => {
  const inside = (item: Item): Item =>
    item.kind === "link" ? { ...item, target: item.target.replace("../", "") } : item
  return { kind, items: Object.fromEntries(Object.entries(items).map(([name, item]) => [name, inside(item)])) }
})

export const write = (item: Item, at: string): void => {
  if (item.kind === "file") {
    writeFileSync(at, item.bytes)
    chmodSync(at, item.mode)
  } else if (item.kind === "link") symlinkSync(item.target, at)
  else {
    mkdirSync(at, { recursive: true })
    for (const [name, below] of Object.entries(item.items)) write(below, path.join(at, name))
  }
}

/** Everything below a folder in words: kind, mode, bytes, target. Links are not followed: some lead in circles. */
export const describeTree = (folder: string, below = ""): ReadonlyArray<string> =>
  readdirSync(path.join(folder, below))
    .sort()
    .flatMap((each) => {
      const name = path.join(below, each)
      const at = path.join(folder, name)
      const stat = lstatSync(at)
      const mode = (stat.mode & 0o777).toString(8)
      if (stat.isSymbolicLink()) return [`${name} -> ${readlinkSync(at)}`]
      if (stat.isDirectory()) return [`${name}/ ${mode}`, ...describeTree(folder, name)]
      return [`${name} ${mode} ${readFileSync(at, "hex")}`]
    })
