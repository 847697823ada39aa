/** The public face of op-pipe: what each module that has a name exports, with its doc comment, by the sources. */
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { type ExportNamedDeclaration, parseSync } from "oxc-parser"
import { repository } from "./cli.ts"

export interface PublicExport {
  /** `Artifact.json`; of a function in `op-pipe/run` its bare name. */
  readonly name: string
  readonly module: string
  readonly file: string
  readonly isType: boolean
  /** The text of its doc comment; empty without one. */
  readonly doc: string
}

/** Names of modules, and the sources of these. */
export const modules = {
  "op-pipe": "core/index.ts",
  "op-pipe/run": "core/run/index.ts",
  "op-pipe/testing": "core/testing.ts",
  "op-pipe/cli": "cli/index.ts"
} as const

interface Declared {
  readonly file: string
  readonly isType: boolean
  readonly doc: string
}

const textOf = (comment: string): string =>
  comment
    .replace(/^\*\s?/, "")
    .replace(/^[ \t]*\* ?/gm, "")
    .trim()

const namesOf = (declaration: NonNullable<ExportNamedDeclaration["declaration"]>): ReadonlyArray<string> => {
  if (declaration.type === "VariableDeclaration")
    return declaration.declarations.flatMap(({ id }) => (id.type === "Identifier" ? [id.name] : []))
  return "id" in declaration && declaration.id?.type === "Identifier" ? [declaration.id.name] : []
}

/** What a module exports, by name; `export * as X` as `X.name`. */
const exportsOf = (file: string): ReadonlyMap<string, Declared> => {
  const text = readFileSync(path.join(repository, file), "utf8")
  const { program, comments } = parseSync(file, text)
  const docBefore = (start: number): string => {
    let end = start
    for (const comment of comments.filter((each) => each.end <= start).reverse()) {
      if (text.slice(comment.end, end).trim() !== "") return ""
      if (comment.type === "Block") return comment.value.startsWith("*") ? textOf(comment.value) : ""
      // a line for the linter stands between
      end = comment.start
    }
    return ""
  }
  const target = (specifier: string): string => path.posix.join(path.posix.dirname(file), specifier)
  const found = new Map<string, Declared>()
  for (const node of program.body) {
    if (node.type === "ExportAllDeclaration" && node.exported?.type === "Identifier") {
      for (const [name, declared] of exportsOf(target(node.source.value)))
        found.set(`${node.exported.name}.${name}`, declared)
    }
    if (node.type !== "ExportNamedDeclaration") continue
    const { declaration, source } = node
    if (declaration !== null) {
      const isType = ["TSInterfaceDeclaration", "TSTypeAliasDeclaration"].includes(declaration.type)
      for (const name of namesOf(declaration)) found.set(name, { file, isType, doc: docBefore(node.start) })
    } else if (source !== null) {
      const there = exportsOf(target(source.value))
      for (const { local, exported } of node.specifiers) {
        if (local.type !== "Identifier" || exported.type !== "Identifier") continue
        const declared = there.get(local.name)
        if (declared === undefined) throw new Error(`${file} exports ${local.name}, which ${source.value} does not`)
        found.set(exported.name, declared)
      }
    }
  }
  return found
}

export const publicExports = (): ReadonlyArray<PublicExport> =>
  Object.entries(modules).flatMap(([module, file]) =>
    Array.from(exportsOf(file), ([name, declared]) => ({ name, module, ...declared }))
  )

/** The example in a doc comment, if there is one. */
export const exampleOf = (doc: string): string | undefined => /@example\n```ts\n([\s\S]*?)```/.exec(doc)?.[1]
