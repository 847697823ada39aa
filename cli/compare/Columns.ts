/** Columns: those that a table of runs can have, as far as schemas and settings tell before anything is run. */
import * as Schema from "effect/Schema"
import { isRecord } from "../../cache/identity/CacheKey.ts"
import type * as Artifact from "../../core/pipeline/Artifact.ts"
import { displayName } from "../../core/pipeline/Step.ts"
import type { Prepared } from "../../core/plan/Prepared.ts"
import * as Rows from "./Rows.ts"
import * as Table from "./Table.ts"

type Definitions = Readonly<Record<string, unknown>>

/** The document may hold anything. */
class Open extends Error {}

/** Paths of the numbers that a JSON Schema allows; throws `Open` where it allows others, too. */
const pathsIn = (
  schema: unknown,
  path: string,
  definitions: Definitions,
  within: ReadonlyArray<string> = []
): ReadonlyArray<string> => {
  if (!isRecord(schema)) throw new Open()
  const { $ref, anyOf, allOf, oneOf, type, properties = {}, additionalProperties = false } = schema
  if (typeof $ref === "string") {
    const name = $ref
      .slice($ref.lastIndexOf("/") + 1)
      .replaceAll("~1", "/")
      .replaceAll("~0", "~")
    if (within.includes(name)) throw new Open()
    return pathsIn(definitions[name], path, definitions, [...within, name])
  }
  const parts = [anyOf, oneOf, allOf].flatMap((each) => (Array.isArray(each) ? (each as ReadonlyArray<unknown>) : []))
  if (parts.length > 0) return parts.flatMap((part) => pathsIn(part, path, definitions, within))
  if (type === "number" || type === "integer" || type === "boolean") return [path]
  if (type === "string" || type === "null" || type === "array") return []
  if (type !== "object" || additionalProperties !== false || !isRecord(properties)) throw new Open()
  return Object.entries(properties).flatMap(([name, each]) => pathsIn(each, `${path}.${name}`, definitions, within))
}

const numbersOf = (
  { schema }: Artifact.JsonArtifact<string, unknown, boolean>,
  path: string
): ReadonlyArray<string> => {
  const document = Schema.toJsonSchemaDocument(schema, { onExcessProperty: "error" })
  return pathsIn(document.schema, path, document.definitions)
}

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
    // a schema that has no JSON Schema is as open
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
