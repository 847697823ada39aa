/** What the documents say is so: files exist, commands and flags are there, the printed example is the real one. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { opPipe, repository } from "./lib/cli.ts"

const read = (file: string): string => readFileSync(path.join(repository, file), "utf8")
const markdownIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(path.join(repository, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`)
const pages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
const documents = [...pages, ...markdownIn("docs"), ...["docs/guide", "docs/adr", "docs/design"].flatMap(markdownIn)]
const fence = /^```(\w*)(?: [^\n]*)?\n([\s\S]*?)^```/gm
/** Text in backquotes and in code blocks, but for those that `package/guide.test.ts` runs. */
const codeIn = (text: string): ReadonlyArray<string> => [
  ...Array.from(text.matchAll(fence), ([, language, block]) => (language === "console" ? "" : block!)).flatMap(
    (block) => block.split("\n")
  ),
  ...Array.from(text.replace(fence, "").matchAll(/`([^`]+)`/g), (match) => match[1]!)
]
const all = documents.flatMap((file) => codeIn(read(file)))

describe("the documents", () => {
  it("name files that exist", () => {
    const named = documents.flatMap((file) =>
      codeIn(read(file))
        .filter(
          (text) =>
            /^(?:\.?\w[\w@.-]*\/)+[\w.-]+\.(?:ts|mjs|md|json)$/.test(text) && !/^(?:outputs|data|dist)\//.test(text)
        )
        .map((text) => ({ file, text }))
    )
    expect(named.length).toBeGreaterThan(20)
    const missing = named.filter(({ file, text }) => {
      const places = [
        path.join(repository, text),
        path.join(repository, path.dirname(file), text),
        path.join(repository, "cache/store", text),
        path.join(repository, "core", text)
      ]
      return !places.some((place) => existsSync(place))
    })
    expect(missing).toEqual([])
  })

  it("link to files that exist", () => {
    // The guide is read in the package too, where what is not in it has an address only.
    const blob = "https://github.com/op-pipe/op-pipe/blob/main/"
    const missing = documents.flatMap((file) =>
      Array.from(read(file).matchAll(/\]\(([^)#\s]+)/g), (match) => match[1]!)
        .filter((target) => target.startsWith(blob) || !/^https?:/.test(target))
        .filter((target) =>
          target.startsWith(blob)
            ? !existsSync(path.join(repository, target.slice(blob.length)))
            : !existsSync(path.join(repository, path.dirname(file), target))
        )
        .map((target) => ({ file, target }))
    )
    expect(missing).toEqual([])
  })

  it("keep the guide's links in the guide, or give an address", () => {
    const leaving = documents
      .filter((file) => file.startsWith("docs/guide/"))
      .flatMap((file) => Array.from(read(file).matchAll(/\]\((\.\.[^)]*)\)/g), (match) => `${file}: ${match[1]}`))
    expect(leaving).toEqual([])
  })

  it("name npm scripts that exist", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> }
    const named = all.flatMap((text) =>
      Array.from(text.matchAll(/npm (?:run )?(check|lint|fix|test|build|[a-z]+:[a-z]+)\b/g), (match) => match[1]!)
    )
    expect(named.length).toBeGreaterThan(3)
    for (const name of new Set(named)) expect(Object.keys(scripts)).toContain(name)
  })

  it("name commands and flags that exist", async () => {
    const commands = new Map<string, Set<string>>()
    // verbs that a page shows how to make are no verbs of op-pipe's
    const made = documents.flatMap((file) =>
      Array.from(read(file).matchAll(/Command\.make\(\s*"([a-z]+)"/g), (match) => match[1]!)
    )
    for (const text of all) {
      for (const match of text.matchAll(/op-pipe (?!op-pipe)((?:cache |data |remote )?[a-z]+)((?: [^#;|&\n]*)?)/g)) {
        const verb = match[1]!
        if (made.includes(verb)) continue
        const flags = commands.get(verb) ?? new Set<string>()
        for (const flag of (match[2] ?? "").match(/--[a-z-]+/g) ?? []) flags.add(flag)
        commands.set(verb, flags)
      }
    }
    expect(commands.size).toBeGreaterThan(8)
    // one after the other: the first makes the bundle that the others start from
    for (const [verb, flags] of commands) {
      const help = await opPipe([...verb.split(" "), "--help"], { cwd: repository })
      expect(help.code, `op-pipe ${verb}: ${help.stderr}`).toBe(0)
      for (const flag of flags) expect(help.stdout, `op-pipe ${verb}`).toContain(flag)
    }
  })

  it("speak of the project alone", () => {
    expect(documents.map(read).join("\n")).not.toMatch(/\/work\/|\/tmp\/|\/root\/|this session|helper-\d|workplace/i)
  })

  it("agree on the version", () => {
    const { version } = JSON.parse(read("package.json")) as { version: string }
    expect(read("CHANGELOG.md")).toContain(`## [${version}]`)
    expect(read("CITATION.cff")).toContain(`\nversion: ${version}\n`)
  })
})
