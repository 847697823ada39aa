/**
 * ModuleSyntax: a module by what it does: its syntax tree without positions, comments, types and formatting.
 *
 * Each top-level statement has its own digest, under the names that it declares, so that a change can be reported by
 * name ("`normalize` in stages/lib/images/Pack.ts changed"). Imports are listed for the closure.
 *
 * Gotchas:
 * - A computed `import(x)` or `require` cannot be followed and is an error: changes of its target would go unnoticed.
 * - A package whose file is looked up by `import.meta.resolve` counts as an imported one.
 * - Syntax that is not erasable (enums, namespaces) stays in the tree and counts, which is safe.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import { parseSync } from "oxc-parser"
import * as Digest from "../identity/Digest.ts"

/** The module cannot be parsed, or not all of its imports can be known. */
export class UnreadableModule extends Data.TaggedError("UnreadableModule")<{
  readonly file: string
  readonly reason: string
}> {
  override get message(): string {
    return `${this.file}: ${this.reason}`
  }
}

/** One import or re-export. `names` is "all" for a namespace, a side effect or `import()`. */
export interface ModuleImport {
  readonly specifier: string
  readonly names: "all" | ReadonlyArray<string>
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
}

interface Node {
  readonly type: string
  readonly [key: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { readonly type?: unknown }).type === "string"

const typeOnlyKeys = new Set([
  ..."start end range loc parent typeAnnotation returnType typeParameters typeArguments superTypeArguments".split(" "),
  ..."superTypeParameters implements accessibility definite declare override readonly abstract".split(" "),
  ..."importKind exportKind hashbang comments".split(" ")
])
const wrappers = new Set(
  "TSAsExpression TSSatisfiesExpression TSNonNullExpression TSTypeAssertion TSInstantiationExpression ParenthesizedExpression".split(
    " "
  )
)
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
  if (typeof value === "number" && !Number.isFinite(value)) return { number: String(value) }
  if (value instanceof RegExp || typeof value === "function") return null
  if (value === null || typeof value !== "object") return value
  if (!isNode(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, essence(item)]))
  }
  if (wrappers.has(value.type)) return essence(value["expression"])
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

const nameOf = (value: unknown): string => {
  if (!isNode(value)) return "?"
  return value.type === "Literal" ? String(value["value"]) : String(value["name"] ?? value["value"] ?? "?")
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

const isRequire = (node: Node): boolean =>
  node.type === "CallExpression" && isNode(node["callee"]) && node["callee"]["name"] === "require"

/** The package in `import.meta.resolve("package/file")`; the file's name may be computed. */
const resolvedPackage = (node: Node): string | undefined => {
  const callee = node["callee"]
  if (node.type !== "CallExpression" || !isNode(callee) || callee.type !== "MemberExpression") return undefined
  if (!isNode(callee["object"]) || callee["object"].type !== "MetaProperty") return undefined
  if (nameOf(callee["property"]) !== "resolve") return undefined
  const [target] = (node["arguments"] as ReadonlyArray<Node> | undefined) ?? []
  const [first] =
    (target?.["quasis"] as ReadonlyArray<{ readonly value: { readonly cooked?: string } }> | undefined) ?? []
  const text = target?.type === "Literal" ? target["value"] : first?.value.cooked
  return typeof text === "string" && /^(?:@[\w.-]+\/)?[\w-][\w.-]*\//u.test(text) ? text : undefined
}

/**
 * Adds the `import()`s below `value`, and packages whose files are resolved, to `found`; returns the problem with one
 * that cannot be followed.
 */
const dynamicImports = (value: unknown, found: Array<ModuleImport>): string | undefined => {
  if (Array.isArray(value)) {
    for (const item of value) {
      const problem = dynamicImports(item, found)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  if (value === null || typeof value !== "object") return undefined
  if (isNode(value) && value.type === "TSImportEqualsDeclaration") {
    return "`import name = require(...)` is not followed; write `import ... from`"
  }
  if (isNode(value) && (value.type === "ImportExpression" || isRequire(value))) {
    const target =
      value.type === "ImportExpression"
        ? value["source"]
        : (value["arguments"] as ReadonlyArray<unknown> | undefined)?.[0]
    if (!isNode(target) || target.type !== "Literal" || typeof target["value"] !== "string") {
      return "a computed import() or require() cannot be followed; name the module by a string literal"
    }
    found.push({ specifier: target["value"], names: "all" })
    return undefined
  }
  const resolved = isNode(value) ? resolvedPackage(value) : undefined
  if (resolved !== undefined) found.push({ specifier: resolved, names: "all" })
  return dynamicImports(Object.values(value), found)
}

/** Parses `source`: TypeScript or JavaScript, by the extension of `file`. */
export const parse = (file: string, source: string): Result.Result<ModuleSyntax, UnreadableModule> => {
  const parsed = parseSync(file, source, { sourceType: "module" })
  const error = parsed.errors[0]
  if (error !== undefined) return Result.fail(new UnreadableModule({ file, reason: error.message }))
  const statements = (parsed.program.body as unknown as ReadonlyArray<Node>).filter((node) => !isErased(node))
  const imports: Array<ModuleImport> = []
  const declarations: Array<Declaration> = []
  for (const [index, node] of statements.entries()) {
    const reexport = reexportOf(node)
    if (node.type === "ImportDeclaration") imports.push({ specifier: sourceOf(node)!, names: importedNames(node) })
    else if (reexport !== undefined) imports.push(reexport.from)
    else {
      const problem = dynamicImports(node, imports)
      if (problem !== undefined) return Result.fail(new UnreadableModule({ file, reason: problem }))
    }
    const digest = Digest.ofValue("Statement/v1", essence(node))
    if (Result.isFailure(digest)) return Result.fail(new UnreadableModule({ file, reason: digest.failure.message }))
    const name = titleOf(node, index)
    declarations.push({
      name,
      digest: digest.success,
      ...(isHoisted(node) ? { hoisted: true } : {}),
      ...(reexport === undefined ? {} : { reexport })
    })
  }
  const barrel = declarations.length > 0 && declarations.every((each) => each.reexport !== undefined)
  return Result.succeed({ imports, declarations, barrel })
}
