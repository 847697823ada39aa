/**
 * ModuleSyntax: a module by what it does: its syntax tree without positions, comments, types and formatting.
 *
 * Each top-level statement has its own digest, under the names that it declares, so that a change can be reported by
 * name ("`normalize` in stages/lib/images/Pack.ts changed"). Imports are listed for the closure.
 *
 * Gotchas:
 * - Syntax that is not erasable (enums, namespaces) stays in the tree and counts, which is safe.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import { parseSync } from "oxc-parser"
import * as Digest from "../../identity/Digest.ts"
import * as Resolver from "../../identity/Resolver.cjs"
import * as Inert from "./Inert.ts"
import * as ModuleImports from "./ModuleImports.ts"
import { isNode, isWrapper, type Node, nameOf, typeOnlyKeys } from "./SyntaxTree.ts"

type ModuleImport = ModuleImports.ModuleImport

/** The module cannot be parsed, or not all of its imports can be known. */
export class UnreadableModule extends Data.TaggedError("UnreadableModule")<{
  /** With line and column, where there is a place. */
  readonly file: string
  readonly reason: string
}> {
  override get message(): string {
    return `${this.file}: ${this.reason}`
  }
}

/** One top-level statement: what it declares, and its digest. */
export interface Declaration {
  readonly name: string
  readonly digest: Digest.Digest
  /** Its position does not matter: a function, or a list of exports. All others are evaluated in sequence. */
  readonly hoisted?: true
  /** For a re-export: the names it offers, and what it imports for them. */
  readonly reexport?: { readonly offers: "all" | ReadonlyArray<string>; readonly from: ModuleImport }
}

export interface ModuleSyntax {
  readonly imports: ReadonlyArray<ModuleImport>
  readonly declarations: ReadonlyArray<Declaration>
  /** True when the module does nothing but re-export. */
  readonly barrel: boolean
  /** True when its own statements do nothing but declare. */
  readonly inert: boolean
  /** True when it may read its own text, which then counts as it is. */
  readonly ownText: boolean
}

const erased = new Set(
  "TSInterfaceDeclaration TSTypeAliasDeclaration TSDeclareFunction TSIndexSignature TSAbstractMethodDefinition TSAbstractPropertyDefinition TSAbstractAccessorProperty TSEmptyBodyFunctionExpression EmptyStatement".split(
    " "
  )
)

const isErased = (node: Node): boolean =>
  erased.has(node.type) ||
  node["declare"] === true ||
  node["importKind"] === "type" ||
  node["exportKind"] === "type" ||
  (node.type === "ExportNamedDeclaration" && isNode(node["declaration"]) && isErased(node["declaration"])) ||
  (node.type === "MethodDefinition" && isNode(node["value"]) && isErased(node["value"]))

const isThisParameter = (value: unknown): boolean =>
  isNode(value) && value.type === "Identifier" && value["name"] === "this"

/** The part of a node that determines its behaviour, as plain JSON. */
const essence = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    return value
      .filter((item) => !(isNode(item) && isErased(item)) && !isThisParameter(item))
      .map((item) => essence(item))
  }
  if (typeof value === "bigint") return { bigint: value.toString() }
  // canonical JSON has no lone surrogates
  if (typeof value === "string" && !value.isWellFormed()) return { text: JSON.stringify(value) }
  if (typeof value === "number" && !Number.isFinite(value)) return { number: String(value) }
  if (value instanceof RegExp || typeof value === "function") return null
  if (value === null || typeof value !== "object") return value
  if (!isNode(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, essence(item)]))
  }
  if (isWrapper(value)) return essence(value["expression"])
  const entries = Object.entries(value).filter(([key, item]) => {
    if (typeOnlyKeys.has(key) || item === undefined) return false
    // `raw` is how a literal was written, not what it is
    if (key === "raw") return false
    // `a?.b` is meaning, `a?: string` is a type
    if (key === "optional") return value.type === "MemberExpression" || value.type === "CallExpression"
    return true
  })
  return Object.fromEntries(entries.map(([key, item]) => [key, essence(item)]))
}

const sourceOf = (node: Node): string | undefined =>
  isNode(node["source"]) && typeof node["source"]["value"] === "string" ? node["source"]["value"] : undefined

const valueSpecifiers = (node: Node): ReadonlyArray<Node> =>
  ((node["specifiers"] as ReadonlyArray<Node> | undefined) ?? []).filter((specifier) => !isErased(specifier))

const importedNames = (node: Node): "all" | ReadonlyArray<string> => {
  const specifiers = valueSpecifiers(node)
  if (specifiers.length === 0 || specifiers.some((each) => each.type === "ImportNamespaceSpecifier")) return "all"
  return specifiers.map((each) => (each.type === "ImportDefaultSpecifier" ? "default" : nameOf(each["imported"])))
}

const patternNames = (pattern: unknown): ReadonlyArray<string> => {
  if (!isNode(pattern)) return []
  switch (pattern.type) {
    case "Identifier":
      return [nameOf(pattern)]
    case "ObjectPattern":
      return (pattern["properties"] as ReadonlyArray<Node>).flatMap((each) =>
        patternNames(each["value"] ?? each["argument"])
      )
    case "ArrayPattern":
      return (pattern["elements"] as ReadonlyArray<unknown>).flatMap(patternNames)
    case "AssignmentPattern":
      return patternNames(pattern["left"])
    case "RestElement":
      return patternNames(pattern["argument"])
    default:
      return []
  }
}

const declaredNames = (node: Node): ReadonlyArray<string> => {
  if (node.type === "VariableDeclaration") {
    return (node["declarations"] as ReadonlyArray<Node>).flatMap((each) => patternNames(each["id"]))
  }
  return isNode(node["id"]) ? [nameOf(node["id"])] : []
}

const titleOf = (node: Node, index: number): string => {
  const source = sourceOf(node)
  if (node.type === "ImportDeclaration") return `import of "${source}"`
  // by the names that it exports: there may be other re-exports from the same module
  if (node.type === "ExportNamedDeclaration" && source !== undefined) {
    const offered = valueSpecifiers(node).map((each) => nameOf(each["exported"]))
    return `export of ${offered.join(", ")} from "${source}"`
  }
  if (node.type === "ExportAllDeclaration") return `export of * from "${source}"`
  if (node.type === "ExportDefaultDeclaration") return "default export"
  const inner = node.type === "ExportNamedDeclaration" && isNode(node["declaration"]) ? node["declaration"] : node
  const names = declaredNames(inner)
  return names.length === 0 ? `statement ${index + 1}` : names.join(", ")
}

const reexportOf = (node: Node): Declaration["reexport"] => {
  const specifier = sourceOf(node)
  if (specifier === undefined) return undefined
  if (node.type === "ExportAllDeclaration") {
    const exported = node["exported"]
    return { offers: isNode(exported) ? [nameOf(exported)] : "all", from: { specifier, names: "all" } }
  }
  if (node.type !== "ExportNamedDeclaration") return undefined
  const specifiers = valueSpecifiers(node)
  return {
    offers: specifiers.map((each) => nameOf(each["exported"])),
    from: { specifier, names: specifiers.map((each) => nameOf(each["local"])) }
  }
}

const isHoisted = (node: Node): boolean => {
  if (!node.type.startsWith("Export")) return node.type === "FunctionDeclaration"
  const inner = node["declaration"]
  return isNode(inner) ? isHoisted(inner) : sourceOf(node) === undefined
}

/** Of a module that imports another package for what loading it does: true. */
const isForEffect = (node: Node, specifier: string): boolean =>
  valueSpecifiers(node).length === 0 && !specifier.startsWith(".")

const importOf = (node: Node): ModuleImport => {
  const specifier = sourceOf(node)!
  return { specifier, names: importedNames(node), ...(isForEffect(node, specifier) ? { forEffect: true } : {}) }
}

/** A JSON document counts by its value, in the order of its keys: that is what an import of it gives. */
const parseJson = (file: string, source: string): Result.Result<ModuleSyntax, UnreadableModule> =>
  Result.try({
    try: (): ModuleSyntax => {
      const digest = Digest.ofJson("Json/v1", JSON.stringify(JSON.parse(source)))
      return { imports: [], declarations: [{ name: "its value", digest }], barrel: false, inert: true, ownText: false }
    },
    catch: (cause) => new UnreadableModule({ file, reason: `expected JSON, but found ${(cause as Error).message}` })
  })

/** JSX is compiled as its comments say: a function's name, or a package whose functions are called. */
const jsxPragmas = (file: string, comments: ReadonlyArray<{ readonly value: string }>): ReadonlyArray<string> =>
  /x$/u.test(file) ? comments.flatMap(({ value }) => value.match(/@jsx\w*\s+\S+/gu) ?? []) : []

const jsxImports = (pragmas: ReadonlyArray<string>): ReadonlyArray<ModuleImport> => {
  const source = pragmas.flatMap((each) => /^@jsxImportSource\s+(\S+)/u.exec(each)?.[1] ?? [])[0]
  if (source === undefined && !pragmas.some((each) => /^@jsxRuntime\s+automatic/u.test(each))) return []
  return [{ specifier: `${source ?? "react"}/jsx-runtime`, names: "all" }]
}

const declarationOf = (node: Node, index: number, digest: Digest.Digest): Declaration => {
  const reexport = reexportOf(node)
  return {
    name: titleOf(node, index),
    digest,
    ...(isHoisted(node) ? { hoisted: true } : {}),
    ...(reexport === undefined ? {} : { reexport })
  }
}

/** Parses `source`: TypeScript, JavaScript or JSON, by the extension of `file`. */
export const parse = (file: string, source: string): Result.Result<ModuleSyntax, UnreadableModule> => {
  if (file.endsWith(".json")) return parseJson(file, source)
  const fail = (reason: string, offset: unknown) => {
    const place = typeof offset === "number" ? `${file}:${Resolver.placeOf(source, offset)}` : file
    return Result.fail(new UnreadableModule({ file: place, reason }))
  }
  const parsed = parseSync(file, source, { sourceType: "module" })
  const error = parsed.errors[0]
  if (error !== undefined) return fail(error.message, error.labels[0]?.start)
  const program = parsed.program.body as unknown as ReadonlyArray<Node>
  const statements = program.filter((node) => !isErased(node))
  const imports: Array<ModuleImport> = []
  const declarations: Array<Declaration> = []
  let ownText = false
  for (const [index, node] of statements.entries()) {
    const reexport = reexportOf(node)
    if (node.type === "ImportDeclaration") imports.push(importOf(node))
    else if (reexport !== undefined) imports.push(reexport.from)
    else {
      const found = ModuleImports.find(program, [node])
      if (found.problem !== undefined) return fail(found.problem.reason, found.problem.node["start"])
      imports.push(...found.imports)
      ownText ||= found.ownText
    }
    const digest = Digest.ofValue("Statement/v1", essence(node))
    if (Result.isFailure(digest)) return fail(digest.failure.message, node["start"])
    declarations.push(declarationOf(node, index, digest.success))
  }
  const pragmas = jsxPragmas(file, parsed.comments)
  if (pragmas.length > 0) declarations.push({ name: "how JSX is compiled", digest: Digest.ofJson("Jsx/v1", pragmas) })
  const barrel = declarations.length > 0 && declarations.every((each) => each.reexport !== undefined)
  const inert = statements.every(Inert.isInert)
  return Result.succeed({ imports: [...imports, ...jsxImports(pragmas)], declarations, barrel, inert, ownText })
}
