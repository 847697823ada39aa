/** SyntaxTree: nodes of a parsed module, and what is asked of them in several places. */

export interface Node {
  readonly type: string
  readonly [key: string]: unknown
}

export const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { readonly type?: unknown }).type === "string"

/** Parts of a node that are types, or where it stands. */
export const typeOnlyKeys = new Set([
  ..."start end range loc parent typeAnnotation returnType typeParameters typeArguments superTypeArguments".split(" "),
  ..."superTypeParameters implements accessibility definite declare override readonly abstract".split(" "),
  ..."importKind exportKind hashbang comments".split(" ")
])

const wrappers = new Set(
  "TSAsExpression TSSatisfiesExpression TSNonNullExpression TSTypeAssertion TSInstantiationExpression ParenthesizedExpression ChainExpression".split(
    " "
  )
)

/** True of a node that changes nothing about the expression in it. */
export const isWrapper = (node: Node): boolean => node.type !== "ChainExpression" && wrappers.has(node.type)

/** The expression in parentheses, with types, or in a chain. */
export const inner = (value: unknown): unknown =>
  isNode(value) && wrappers.has(value.type) ? inner(value["expression"]) : value

/** The name of an identifier, or the text of a literal. */
export const nameOf = (value: unknown): string => {
  if (!isNode(value)) return "?"
  return value.type === "Literal" ? String(value["value"]) : String(value["name"] ?? value["value"] ?? "?")
}

/** A string that is written out; undefined of anything that is computed. */
export const literal = (value: unknown): string | undefined => {
  const node = inner(value)
  if (!isNode(node)) return undefined
  if (node.type === "Literal") return typeof node["value"] === "string" ? node["value"] : undefined
  if (node.type !== "TemplateLiteral") return undefined
  const quasis = node["quasis"] as ReadonlyArray<{ readonly value: { readonly cooked?: string } }>
  return quasis.length === 1 ? quasis[0]?.value.cooked : undefined
}

/** The property's name in `a.b` and `a["b"]`; undefined if it is computed, or if the node is no such access. */
export const accessed = (value: unknown): string | undefined => {
  const node = inner(value)
  if (!isNode(node) || node.type !== "MemberExpression") return undefined
  return node["computed"] === true ? literal(node["property"]) : nameOf(node["property"])
}

export const argumentsOf = (node: Node): ReadonlyArray<unknown> => (node["arguments"] as ReadonlyArray<unknown>) ?? []
