/** `op-pipe dag`: the pipeline drawn. */

import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type { Pipeline } from "../../core/pipeline/Pipeline.ts"
import * as Freshness from "../../core/plan/Freshness.ts"
import type { Settings } from "../../core/plan/Settings.ts"
import { formatCount, paint, printError, printLine } from "../Console.ts"
import * as Flags from "../Flags.ts"
import * as Graph from "../Graph.ts"
import type { shapes } from "../json/Shapes.ts"
import type { Additions } from "../Project.ts"
import * as Session from "../Session.ts"

const marks: Readonly<Record<Freshness.State, string>> = { fresh: "✓", stale: "▶", pending: "…", "never run": "○" }
const styles = { fresh: "green", stale: "cyan", pending: "yellow", "never run": "dim" } as const
const colors: Readonly<Record<Freshness.State, string>> = {
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

interface Drawing {
  readonly pipeline: Pipeline
  readonly settings: Settings
  /** By step id; empty where only the wiring is drawn. */
  readonly states: ReadonlyMap<string, Freshness.Assessment>
}

const colorIn =
  ({ states }: Drawing) =>
  (node: Graph.Node): string =>
    colors[states.get(node.id)?.state ?? "never run"]

const asText = ({ pipeline, states }: Drawing): ReadonlyArray<string> => {
  const markOf = (node: Graph.Node): string => {
    const state = states.get(node.id)?.state
    return node.kind === "source" ? "◇" : state === undefined ? "●" : marks[state]
  }
  const noteOf = (node: Graph.Node): string => {
    const found = states.get(node.id)
    if (found === undefined) return ""
    const count = found.branches === undefined ? "" : ` ×${formatCount(found.branches.length)}`
    return paint(styles[found.state], `${found.state}${count}  `)
  }
  return Graph.toText(pipeline, markOf, noteOf, process.stdout.columns)
}

const branchesOf = (found: Freshness.Assessment | undefined): { readonly branches?: number } =>
  found?.branches === undefined ? {} : { branches: found.branches.length }

const asJson = ({ pipeline, settings, states }: Drawing): (typeof shapes)["dag"]["Type"] => {
  const nodes = Graph.nodesOf(pipeline).map((node) => ({
    ...node,
    state: states.get(node.id)?.state ?? null,
    ...branchesOf(states.get(node.id)),
    params: settings.steps[node.id] ?? settings.sources[node.id] ?? {}
  }))
  return { pipeline: pipeline.name, nodes }
}

const formats = ["text", "json", "mermaid", "dot", "svg"] as const
type Format = (typeof formats)[number]

/** The lines of a drawing, by format. */
const drawn: Readonly<Record<Format, (drawing: Drawing) => Effect.Effect<ReadonlyArray<string>>>> = {
  text: (drawing) => Effect.succeed(asText(drawing)),
  json: (drawing) => Effect.succeed([JSON.stringify(asJson(drawing))]),
  mermaid: ({ pipeline }) => Effect.succeed([Graph.toMermaid(pipeline)]),
  dot: (drawing) => Effect.succeed([Graph.toDot(drawing.pipeline, colorIn(drawing))]),
  svg: (drawing) => Effect.map(drawSvg(Graph.toDot(drawing.pipeline, colorIn(drawing), labelWidth)), (svg) => [svg])
}

export const dag = (additions: Pick<Additions, "flags">) =>
  Command.make(
    "dag",
    {
      ...Flags.project,
      ...Flags.settings(additions),
      format: Flag.Literals("format", formats).pipe(Flag.withDescription("How to draw it"), Flag.withDefault("text")),
      status: Flags.toggle(
        "status",
        "Show the state of each step (looks at data and results); --no-status draws the wiring alone"
      ),
      json: Flags.json
    },
    Effect.fn("cli.dag")(function* (asked) {
      const flags = yield* Session.recalled(asked, (line) => Effect.runSync(printError(line)))
      const { project, settings } = yield* Session.openSettled(flags)
      const { pipeline } = project
      const states = new Map<string, Freshness.Assessment>()
      if (flags.status) {
        yield* Session.withPrepared(
          flags,
          (line) => Effect.runSync(printError(line)),
          (prepared) =>
            Effect.map(Freshness.assess(prepared, pipeline.steps), (found) => {
              for (const each of found) states.set(each.step.id, each)
            }),
          { keepGoing: true }
        )
      }
      for (const line of yield* drawn[flags.json ? "json" : flags.format]({ pipeline, settings, states }))
        yield* printLine(line)
    })
  ).pipe(Command.withDescription("Draw the pipeline: what each step reads from"))
