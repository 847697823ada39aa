/**
 * StepView: a step's inputs as it finds them behind walls, at the same places in every run and on every machine.
 *
 * The folder that a step starts in is `/step`; each input lies in `inputs/`, under its name and its artifact's path.
 */
import { existsSync, lstatSync, mkdirSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Sandbox from "../Sandbox.ts"
import type { StepTask } from "../StepTask.ts"

const { step } = Sandbox.inside

/** Makes what an input from outside is mounted over. */
const makeMountPoint = (from: string, at: string): void => {
  if (existsSync(at)) return
  if (lstatSync(from).isDirectory()) mkdirSync(at, { recursive: true })
  else {
    mkdirSync(path.dirname(at), { recursive: true })
    writeFileSync(at, "")
  }
}

/** What links in inputs lead to, where they lead in the sandbox. What lies in another input is there already. */
const reachedFrom = (task: StepTask, folder: string): Sandbox.Walls["readable"] => {
  const { places, reached } = task
  const hidden = Sandbox.hiddenFrom(task)
  const others = Object.values(places).map((place) => path.join(step, place))
  return reached.flatMap(({ input, from, at }) => {
    const place = path.resolve(step, places[input]!, at)
    const isThere = Sandbox.isIn(place, "/proc") || Sandbox.isProvided(place, hidden)
    if (isThere || others.some((other) => Sandbox.isIn(place, other))) return []
    if (Sandbox.isIn(place, step)) makeMountPoint(from, path.join(folder, path.relative(step, place)))
    return [[from, place] as const]
  })
}

/** Whether an input was laid into the step's folder, as outputs of other steps are. Sources are where the user has them. */
const isOwn = ({ inputs, places }: StepTask, name: string, folder: string): boolean =>
  inputs[name] === path.join(folder, places[name]!)

/** What is mounted of the inputs; `folder` becomes `/step`. */
export const of = (task: StepTask, folder: string): Pick<Sandbox.Walls, "readable" | "ignored"> => {
  const { inputs, places } = task
  mkdirSync(path.join(folder, "inputs"), { recursive: true })
  const mounted = Object.entries(inputs).flatMap(([name, from]) => {
    if (isOwn(task, name, folder)) return []
    makeMountPoint(from, path.join(folder, places[name]!))
    return [[from, path.join(step, places[name]!)] as const]
  })
  const ignored = task.ignored.map(({ input, path: at }) => {
    const from = path.join(inputs[input]!, ...at.split("/"))
    return [from, path.join(step, places[input]!, at)] as const
  })
  return {
    readable: [[path.join(folder, "inputs"), path.join(step, "inputs")], ...mounted, ...reachedFrom(task, folder)],
    ignored
  }
}

/** The paths by which a step finds its inputs, in the folder that it starts in. Unsealed, sources are where they are. */
export const pathsOf = (task: StepTask, folder: string, isSealed: boolean): StepTask["inputs"] =>
  Object.fromEntries(
    Object.entries(task.inputs).map(([name, file]) => [
      name,
      isSealed || isOwn(task, name, folder) ? task.places[name]! : file
    ])
  )
