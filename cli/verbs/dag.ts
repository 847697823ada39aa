/** `op-pipe dag`: the pipeline drawn. */

import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Graph from "../../core/pipeline/Graph.ts"
import * as Plan from "../../core/plan/Plan.ts"
import { paint, printError, printLine } from "../Console.ts"
import * as Flags from "../Flags.ts"
import * as Session from "../Session.ts"

const marks: Readonly<Record<Plan.State, string>> = { fresh: "✓", stale: "▶", pending: "…", "never run": "○" }
const styles = { fresh: "green", stale: "cyan", pending: "yellow", "never run": "dim" } as const
const colors: Readonly<Record<Plan.State, string>> = {
  fresh: "#dafbe1",
  stale: "#ddf4ff",
  pending: "#fff8c5",
  "never run": "#f6f8fa"
}

/** Width of a label in points, by the font that the drawing asks for: 12 pt Inter averages 0.56 em a character. */
const labelWidth = (text: string): number => Math.max(30, text.length * 12 * 0.56)

const drawSvg = (dot: string): Effect.Effect<string> =>
  Effect.promise(async () => {
    const { Graphviz } = await import("@hpcc-js/wasm-graphviz")
    const graphviz = await Graphviz.load()
    return graphviz.layout(dot, "svg", "dot")
  })

export const dag = Command.make(
  "dag",
  {
    ...Flags.project,
    ...Flags.settings,
    format: Flag.Literals("format", ["text", "json", "mermaid", "dot", "svg"]).pipe(
      Flag.withDescription("How to draw it"),
      Flag.withDefault("text")
    ),
    status: Flag.Boolean("status").pipe(
      Flag.withDescription(
        "Show the state of each step (looks at data and results); --no-status draws the wiring alone"
      ),
      Flag.withDefault(false)
    )
  },
  Effect.fn("cli.dag")(function* (flags) {
    const { project, settings } = yield* Session.openSettled(flags)
    const { pipeline } = project
    const states = new Map<string, Plan.State>()
    if (flags.status) {
      yield* Session.withPrepared(
        flags,
        (line) => Effect.runSync(printError(line)),
        (prepared) =>
          Effect.map(Plan.assess(prepared, pipeline.steps, new Set()), (found) => {
            for (const each of found) states.set(each.step.id, each.state)
          })
      )
    }
    const stateOf = (node: Graph.Node): Plan.State | undefined => states.get(node.id)
    const colorOf = (node: Graph.Node): string => {
      const state = stateOf(node)
      return state === undefined ? "#f6f8fa" : colors[state]
    }
    switch (flags.format) {
      case "text": {
        const markOf = (node: Graph.Node): string => {
          const state = stateOf(node)
          return node.kind === "source" ? "◇" : state === undefined ? "●" : marks[state]
        }
        const noteOf = (node: Graph.Node): string => {
          const state = stateOf(node)
          return state === undefined ? "" : paint(styles[state], `${state}  `)
        }
        for (const line of Graph.toText(pipeline, markOf, noteOf)) yield* printLine(line)
        return
      }
      case "json": {
        const nodes = Graph.nodesOf(pipeline).map((node) => ({
          ...node,
          state: stateOf(node) ?? null,
          params: settings.steps[node.id] ?? settings.sources[node.id] ?? {}
        }))
        return yield* printLine(JSON.stringify({ pipeline: pipeline.name, nodes }))
      }
      case "mermaid":
        return yield* printLine(Graph.toMermaid(pipeline))
      case "dot":
        return yield* printLine(Graph.toDot(pipeline, colorOf))
      case "svg":
        return yield* printLine(yield* drawSvg(Graph.toDot(pipeline, colorOf, labelWidth)))
    }
  })
).pipe(Command.withDescription("Draw the pipeline: what each step reads from"))
