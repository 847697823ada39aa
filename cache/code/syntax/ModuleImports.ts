/**
 * ModuleImports: what the statements of a module load, or may read, besides what they import by a declaration.
 *
 * Counted where its name is written out: `import()`, `require`, a function made by createRequire, `require.resolve`,
 * `import.meta.resolve`, and files by `new URL("./name", import.meta.url)`. A name that is computed could mean anything,
 * and is refused. `new URL` may be computed: reading a file that is not counted fails.
 *
 * Gotchas:
 * - The names of functions made by createRequire are taken to mean that in the whole module.
 * - What createRequire loads from another place than the module's own is not followed: it is a toolchain's.
 */
import * as Resolver from "../../identity/Resolver.cjs"
import * as SyntaxTree from "./SyntaxTree.ts"

type Node = SyntaxTree.Node
const { accessed, argumentsOf, inner, isNode, literal, nameOf } = SyntaxTree

/**
 * How a module is asked for, if not by `import` or `import()`: by `require` (bundled with the stage); by createRequire
 * (Node loads it); in a worker (Node loads it); or not to be loaded, only found, by Node's lookup or as a URL.
 */
export type Way = "require" | "native" | "worker" | "path" | "url"

/** One import or re-export. `names` is "all" for a namespace, a side effect or `import()`. */
export interface ModuleImport {
  readonly specifier: string
  readonly names: "all" | ReadonlyArray<string>
  readonly by?: Way
  /** A package that is imported for what loading it does. */
  readonly forEffect?: true
}

/** What cannot be followed, and where. */
export interface Problem {
  readonly reason: string
  readonly node: Node
}

export interface Found {
  readonly imports: Array<ModuleImport>
  /** The module may read its own text: it asks where it lies, and not only to find another file. */
  ownText: boolean
  problem: Problem | undefined
}

const isMeta = (value: unknown, ...names: ReadonlyArray<string>): boolean => {
  const node = inner(value)
  if (!isNode(node) || node.type !== "MemberExpression") return false
  const object = inner(node["object"])
  return isNode(object) && object.type === "MetaProperty" && names.includes(accessed(node) ?? "")
}

const isIdentifier = (value: unknown, name: string): boolean => {
  const node = inner(value)
  return isNode(node) && node.type === "Identifier" && node["name"] === name
}

/** Where a module lies, as it says it itself. */
const isOwnPlace = (value: unknown): boolean => isMeta(value, "url", "filename") || isIdentifier(value, "__filename")

/** The names by which a module knows createRequire, and the functions that it makes with it. */
interface Requires {
  readonly makers: ReadonlySet<string>
  readonly made: ReadonlySet<string>
}

const isCall = (value: unknown): value is Node => isNode(value) && value.type === "CallExpression"

const isMaking = (value: unknown, makers: Requires["makers"]): value is Node => {
  const node = inner(value)
  if (!isCall(node)) return false
  const callee = inner(node["callee"])
  return (
    accessed(callee) === "createRequire" ||
    (isNode(callee) && callee.type === "Identifier" && makers.has(nameOf(callee)))
  )
}
const isMakingHere = (value: unknown, makers: Requires["makers"]): boolean =>
  isMaking(value, makers) && isOwnPlace(argumentsOf(inner(value) as Node)[0])

const everyNode = (value: unknown, visit: (node: Node) => void): void => {
  if (Array.isArray(value)) for (const each of value) everyNode(each, visit)
  else if (typeof value === "object" && value !== null) {
    if (isNode(value)) visit(value)
    for (const each of Object.values(value)) everyNode(each, visit)
  }
}

const requiresIn = (program: ReadonlyArray<Node>): Requires => {
  const makers = new Set(["createRequire"])
  for (const statement of program) {
    if (statement.type !== "ImportDeclaration") continue
    for (const each of statement["specifiers"] as ReadonlyArray<Node>) {
      if (each.type === "ImportSpecifier" && nameOf(each["imported"]) === "createRequire")
        makers.add(nameOf(each["local"]))
    }
  }
  const made = new Set<string>()
  everyNode(program, (node) => {
    const isAssigned = node.type === "VariableDeclarator" && isMakingHere(node["init"], makers)
    if (isAssigned && isNode(node["id"]) && node["id"].type === "Identifier") made.add(nameOf(node["id"]))
  })
  return { makers, made }
}

/** In words, what cannot be followed, and what to write instead. */
const problems = {
  import: Resolver.computedImport,
  require: "a computed require() cannot be followed. Call it with a string literal",
  handedOn: "`require` that is handed on cannot be followed. Call it where it was made, with a string literal",
  requireResolve: "a computed require.resolve() cannot be followed. Name the file by a string literal",
  metaResolve: "a computed import.meta.resolve() cannot be followed. Name the file by a string literal",
  equals: "`import name = require(...)` is not followed. Write `import ... from`",
  dlopen: 'process.dlopen is not followed. Load the addon by `createRequire(import.meta.url)("./addon.node")`'
}

const packagePrefix = /^(?:@[\w.-]+\/)?[\w-][\w.-]*\//u

/** The beginning of a template that names a package: of `font/${name}.ttf`, `font/`. */
const prefixOf = (value: unknown): string | undefined => {
  const node = inner(value)
  if (!isNode(node) || node.type !== "TemplateLiteral") return undefined
  const [first] = node["quasis"] as ReadonlyArray<{ readonly value: { readonly cooked?: string } }>
  return packagePrefix.exec(first?.value.cooked ?? "")?.[0]
}

/** Looks for what the module's `statements`, of which `program` are all, load or read. */
export const find = (program: ReadonlyArray<Node>, statements: ReadonlyArray<Node>): Found => {
  const search = new Search(requiresIn(program))
  search.visit(statements)
  return search.found
}

/** Kinds of nodes whose key is a name, if it is not computed. */
const named = new Set(["Property", "MethodDefinition", "PropertyDefinition", "AccessorProperty"])

class Search {
  readonly found: Found = { imports: [], ownText: false, problem: undefined }
  private readonly requires: Requires

  constructor(requires: Requires) {
    this.requires = requires
  }

  visit(value: unknown): void {
    if (typeof value !== "object" || value === null || this.found.problem !== undefined) return
    if (Array.isArray(value)) for (const each of value) this.visit(each)
    else if (!isNode(value)) this.visit(Object.values(value))
    else if (!this.isHarmless(value) && !this.isDone(value)) this.visitParts(value)
  }

  private refuse(node: Node, problem: keyof typeof problems): true {
    this.found.problem ??= { node, reason: problems[problem] }
    return true
  }

  private add(specifier: string, by?: Way): true {
    this.found.imports.push({ specifier, names: "all", ...(by === undefined ? {} : { by }) })
    return true
  }

  /** How `value` loads modules when it is called: as `require`, or as what createRequire made. */
  private wayOf(value: unknown): Way | undefined {
    const node = inner(value)
    if (isMakingHere(node, this.requires.makers)) return "native"
    if (!isNode(node) || node.type !== "Identifier") return undefined
    return this.requires.made.has(nameOf(node)) ? "native" : node["name"] === "require" ? "require" : undefined
  }

  private makesRequire(node: Node): boolean {
    if (node.type !== "VariableDeclarator" || !isMakingHere(node["init"], this.requires.makers)) return false
    return isNode(node["id"]) && node["id"].type === "Identifier"
  }

  /** True of what asks where the module lies, or for `require`, to no effect. */
  private isHarmless(node: Node): boolean {
    // of a stage: `source: import.meta.url`
    if (node.type === "Property") return nameOf(node["key"]) === "source" && isMeta(node["value"], "url")
    if (node.type === "UnaryExpression") {
      return node["operator"] === "typeof" && isIdentifier(node["argument"], "require")
    }
    return this.makesRequire(node)
  }

  /** True if there is no more to look for in the node. */
  private isDone(node: Node): boolean {
    switch (node.type) {
      case "TSImportEqualsDeclaration":
        return this.refuse(node, "equals")
      case "ImportExpression":
        return this.takeImport(node)
      case "CallExpression":
        return this.takeCall(node)
      case "NewExpression":
        return this.takeUrl(node, "url") || this.takeWorker(node)
      case "MemberExpression":
        return this.takeMember(node)
      case "Identifier":
        return this.takeIdentifier(node)
      case "MetaProperty":
        if (nameOf(node["property"]) === "meta") this.found.ownText = true
        return true
      default:
        return false
    }
  }

  private takeImport(node: Node): true {
    const target = literal(node["source"])
    return target === undefined ? this.refuse(node, "import") : this.add(target)
  }

  private takeCall(node: Node): boolean {
    const callee = inner(node["callee"])
    const [first] = argumentsOf(node)
    const target = literal(first)
    const way = this.wayOf(callee)
    if (way !== undefined) {
      return target === undefined ? this.refuse(node, "require") : this.add(target, way)
    }
    if (accessed(callee) !== "resolve") return false
    const isOfMeta = isMeta(callee, "resolve")
    if (!isOfMeta && this.wayOf((callee as Node)["object"]) === undefined) return false
    const resolved = target ?? (isOfMeta ? prefixOf(first) : undefined)
    if (resolved === undefined) return this.refuse(node, isOfMeta ? "metaResolve" : "requireResolve")
    return this.add(resolved, isOfMeta && resolved.startsWith(".") ? "url" : "path")
  }

  /** Takes `new URL("./name", import.meta.url)`. */
  private takeUrl(node: Node, by: Way): boolean {
    const [name, base] = argumentsOf(node)
    if (!isIdentifier(node["callee"], "URL") || !isMeta(base, "url")) return false
    const target = literal(name)
    if (target === undefined) this.visit(name)
    else if (target === "") this.found.ownText = true
    else if (!/^[a-z][a-z\d+.-]*:/iu.test(target)) this.add(target, by)
    return true
  }

  private takeWorker(node: Node): boolean {
    const callee = inner(node["callee"])
    if (!isIdentifier(callee, "Worker") && accessed(callee) !== "Worker") return false
    const [first, ...others] = argumentsOf(node)
    const url = inner(first)
    if (!isNode(url) || url.type !== "NewExpression" || !this.takeUrl(url, "worker")) return false
    this.visit(others)
    return true
  }

  private takeMember(node: Node): true {
    const { object, property } = node as Node & Readonly<Record<"object" | "property", unknown>>
    const [name, isRequire] = [accessed(node), this.wayOf(object) !== undefined]
    if (isOwnPlace(node)) this.found.ownText = true
    const asked = inner(object)
    // `require.resolve.paths` gives folders
    if (isNode(asked) && accessed(asked) === "resolve" && this.wayOf(asked["object"]) !== undefined) return true
    if (isIdentifier(object, "process") && name === "dlopen") this.refuse(node, "dlopen")
    if (isRequire && (name === "resolve" || name === undefined)) {
      this.refuse(node, "handedOn")
    }
    if (node["computed"] === true) this.visit(property)
    // `require.cache` loads nothing
    if (!isRequire && !isMeta(node, name ?? "")) this.visit(object)
    return true
  }

  private takeIdentifier(node: Node): true {
    if (node["name"] === "__filename") this.found.ownText = true
    return this.wayOf(node) === undefined || this.refuse(node, "handedOn")
  }

  private visitParts(node: Node): void {
    for (const [key, each] of Object.entries(node)) {
      if (SyntaxTree.typeOnlyKeys.has(key)) continue
      if (key !== "key" || node["computed"] === true || !named.has(node.type)) this.visit(each)
    }
  }
}
