/**
 * Inert: statements that do nothing when a module is loaded but declare.
 *
 * Of a re-exporting module, what is not asked for is loaded all the same. If all of that is inert, it cannot matter.
 */
import { inner, isNode, type Node } from "./SyntaxTree.ts"

const isInertProperty = (node: Node): boolean => {
  if (node.type !== "Property" || !isInertKey(node)) return false
  return isInertValue(node["value"])
}

const isInertKey = (node: Node): boolean => node["computed"] !== true || isInertValue(node["key"])

/** A field of an object is made with the object, one of a class with the class. */
const isInertMember = (node: Node): boolean => {
  const decorators = node["decorators"] as ReadonlyArray<unknown> | undefined
  if (node.type === "StaticBlock" || (decorators?.length ?? 0) > 0 || !isInertKey(node)) return false
  return node["static"] !== true || node.type === "MethodDefinition" || isInertValue(node["value"])
}

const isInertClass = (node: Node): boolean => {
  const decorators = node["decorators"] as ReadonlyArray<unknown> | undefined
  const body = node["body"] as Node
  if ((decorators?.length ?? 0) > 0 || !isInertValue(node["superClass"])) return false
  return (body["body"] as ReadonlyArray<Node>).every(isInertMember)
}

/** True of an expression that only makes a value, out of what is written there. */
const isInertValue = (value: unknown): boolean => {
  const node = inner(value)
  if (node === null || node === undefined) return true
  if (!isNode(node)) return false
  const all = (key: string): boolean => (node[key] as ReadonlyArray<unknown>).every(isInertValue)
  switch (node.type) {
    case "Literal":
    case "Identifier":
    case "FunctionExpression":
    case "ArrowFunctionExpression":
      return true
    case "TemplateLiteral":
      return (node["expressions"] as ReadonlyArray<unknown>).every(
        (each) => isNode(inner(each)) && (inner(each) as Node).type === "Literal"
      )
    case "ClassExpression":
      return isInertClass(node)
    case "ArrayExpression":
      return all("elements")
    case "ObjectExpression":
      return (node["properties"] as ReadonlyArray<Node>).every(isInertProperty)
    case "UnaryExpression":
      return node["operator"] !== "delete" && isInertValue(node["argument"])
    case "BinaryExpression":
    case "LogicalExpression":
      return isInertValue(node["left"]) && isInertValue(node["right"])
    case "ConditionalExpression":
      return isInertValue(node["test"]) && isInertValue(node["consequent"]) && isInertValue(node["alternate"])
    default:
      return false
  }
}

/** True of a statement that has no effect when it is evaluated. What an import or a re-export loads is another matter. */
export const isInert = (node: Node): boolean => {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportAllDeclaration":
    case "FunctionDeclaration":
      return true
    case "ClassDeclaration":
      return isInertClass(node)
    case "VariableDeclaration":
      return (node["declarations"] as ReadonlyArray<Node>).every(
        ({ id, init }) => isNode(id) && id.type === "Identifier" && isInertValue(init)
      )
    case "ExportNamedDeclaration":
      return !isNode(node["declaration"]) || isInert(node["declaration"])
    case "ExportDefaultDeclaration": {
      const declared = node["declaration"]
      return isNode(declared) && (declared.type.endsWith("Declaration") ? isInert(declared) : isInertValue(declared))
    }
    default:
      return false
  }
}
