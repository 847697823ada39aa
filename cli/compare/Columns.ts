/** Columns: those that a table of runs can have, as far as schemas and settings tell before anything is run. */
import * as SchemaAST from "effect/SchemaAST"
import type * as Artifact from "../../core/pipeline/Artifact.ts"
import { displayName } from "../../core/pipeline/Step.ts"
import type { Prepared } from "../../core/plan/Prepared.ts"
import * as Rows from "./Rows.ts"
import * as Table from "./Table.ts"

/** The document may hold anything. */
class Open extends Error {}

/** Paths of the numbers in documents that `ast` encodes; throws `Open` where there may be others, too. */
const pathsIn = (
  ast: SchemaAST.AST,
  path: string,
  within: ReadonlyArray<SchemaAST.AST> = []
): ReadonlyArray<string> => {
  if (within.includes(ast)) throw new Open()
  const below = (each: SchemaAST.AST, at: string) => pathsIn(each, at, [...within, ast])
  switch (ast._tag) {
    case "Number":
    case "Boolean":
      return [path]
    case "Literal":
    case "Enum": {
      const values = ast._tag === "Literal" ? [ast.literal] : ast.enums.map(([, value]) => value)
      return values.some((value) => typeof value !== "string") ? [path] : []
    }
    case "String":
    case "TemplateLiteral":
    case "Null":
    case "Undefined":
    case "Arrays":
      return []
    case "Union":
      return ast.types.flatMap((each) => below(each, path))
    case "Suspend":
      return below(ast.thunk(), path)
    case "Objects":
      // a struct without fields takes any value
      if (ast.indexSignatures.length > 0 || ast.propertySignatures.length === 0) throw new Open()
      return ast.propertySignatures.flatMap(({ name, type }) => below(type, `${path}.${String(name)}`))
    default:
      throw new Open()
  }
}

const numbersOf = ({ schema }: Artifact.JsonArtifact<string, unknown, boolean>, path: string): ReadonlyArray<string> =>
  pathsIn(SchemaAST.toEncoded(schema.ast), path)

/** What the documents among `metrics` may hold. */
const metricsOf = ({ pipeline }: Prepared): ReadonlyArray<string> => {
  const tags = Rows.tagsOf(pipeline.metrics)
  return pipeline.steps.flatMap(({ stage }) =>
    Object.entries(stage.output as Readonly<Record<string, Artifact.Any>>).flatMap(([name, artifact]) => {
      if (artifact.kind !== "json" || !tags.has(artifact.tag)) return []
      return numbersOf(artifact, `${stage.name}.${name}`)
    })
  )
}

const paramsOf = ({ pipeline, settings }: Prepared): ReadonlyArray<string> =>
  pipeline.steps.flatMap(({ id, stage }) =>
    Rows.leavesOf(settings.steps[id] ?? {}, "", "json").flatMap(([path]) => [
      `${stage.name}.${path}`,
      `${displayName(id)}.${path}`
    ])
  )

const namesOf = (prepared: Prepared): ReadonlyArray<string> | undefined => {
  try {
    return Array.from(new Set([...paramsOf(prepared), ...metricsOf(prepared)]))
  } catch {
    return undefined
  }
}

/**
 * A table without rows, with the columns that there can be; undefined if nobody can say which. `earlier` are those of earlier runs: a
 * program may write more numbers than the schema says.
 */
export const expected = (prepared: Prepared, earlier: Table.Table): Table.Table | undefined => {
  const own = namesOf(prepared)
  if (own === undefined) return undefined
  const names = Array.from(new Set([...own, ...earlier.columns.map(({ name }) => name)]))
  const labels = Table.labelsOf(names)
  return { columns: names.map((name, at) => ({ kind: "param", name, label: labels[at]! })), rows: [] }
}
