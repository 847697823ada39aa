/** Graphs of `cat inputs | sha256sum > output` steps, and what they must give. */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"

export interface Node {
  readonly id: string
  /** The source file that a leaf reads. */
  readonly source: string | undefined
  /** The steps that another node reads, in this order. */
  readonly parents: ReadonlyArray<string>
}

export type Graph = ReadonlyArray<Node>

/** `count` nodes, a quarter of them leaves with a file each; every other one reads two earlier ones. */
export const generate = (count: number): Graph => {
  const leaves = Math.max(2, Math.ceil(count / 4))
  return Array.from({ length: count }, (_, i) => {
    const parents = i < leaves ? [] : Array.from(new Set([Math.floor(i / 2), i - leaves]), (each) => `n${each}`)
    return { id: `n${i}`, source: i < leaves ? `s${i}.txt` : undefined, parents }
  })
}

/** What a graph's commands do besides their work. */
export interface Watch {
  /** A file that each step adds its name to. */
  readonly log: string
  /** A folder; as long as there is no file `go` in it, a leaf writes half of its output, makes the file `half`, and waits. */
  readonly pause?: string
}

/** A leaf leaves blanks out of its file, so that there is a change of which nothing comes. */
export const commandOf = (node: Node, inputs: ReadonlyArray<string>, output: string, { log, pause }: Watch): string => {
  const read = node.source === undefined ? `cat ${inputs.join(" ")}` : `tr -d ' ' < ${inputs[0]}`
  const wait =
    pause === undefined || node.source === undefined
      ? ""
      : `test -e ${pause}/go || (printf half > ${output}; touch ${pause}/half; sleep 5); `
  return `${wait}${read} | sha256sum > ${output}; echo ${node.id} >> ${log}`
}

export const writeSources = (graph: Graph, folder: string): void => {
  fs.mkdirSync(folder, { recursive: true })
  for (const { id, source } of graph) {
    if (source !== undefined) fs.writeFileSync(path.join(folder, source), `content of ${id}\n`)
  }
}

/** What each node's output file holds, by the sources as they are. */
export const expected = (graph: Graph, folder: string): ReadonlyMap<string, string> => {
  const outputs = new Map<string, string>()
  for (const { id, source, parents } of graph) {
    const input =
      source === undefined
        ? parents.map((each) => outputs.get(each)!).join("")
        : fs.readFileSync(path.join(folder, source), "utf8").replaceAll(" ", "")
    outputs.set(id, `${createHash("sha256").update(input).digest("hex")}  -\n`)
  }
  return outputs
}

/** A node and all that depends on it. */
export const downstream = (graph: Graph, id: string): ReadonlyArray<string> => {
  const reached = new Set([id])
  for (const node of graph) if (node.parents.some((each) => reached.has(each))) reached.add(node.id)
  return Array.from(reached)
}
