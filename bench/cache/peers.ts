/** The same graph for each tool, in the form that its manual recommends. */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { commandOf, type Graph, type Node, type Watch } from "./graph.ts"

export interface Peer {
  readonly name: string
  /** Undefined when the tool is not there. */
  readonly version: string | undefined
  /** The largest graph that it is asked to do. */
  readonly atMost: number
  readonly write: (root: string, graph: Graph, watch: Watch) => void
  readonly command: (root: string) => { readonly file: string; readonly args: ReadonlyArray<string> }
  /** Where a node's output lies, below the root. */
  readonly output: (id: string) => string
  readonly env?: Readonly<Record<string, string>>
  /** One step that counts the files below \`data\`; absent where the tool looks at no content. */
  readonly writeFolder?: (root: string, log: string) => void
  /** Ends what it left running. */
  readonly stop?: (root: string) => void
}

const repository = fileURLToPath(new URL("../..", import.meta.url))
const jobs = "2"

const versionOf = (file: string, args: ReadonlyArray<string> = ["--version"]): string | undefined => {
  try {
    const text = execFileSync(file, [...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
    return /\d+\.\d+(\.\d+)?/.exec(text)?.[0]
  } catch {
    return undefined
  }
}

const json = (root: string, file: string, value: unknown): void => {
  const location = path.join(root, file)
  fs.mkdirSync(path.dirname(location), { recursive: true })
  fs.writeFileSync(location, JSON.stringify(value, null, 1))
}

const opPipe: Peer = {
  name: "op-pipe",
  version: (JSON.parse(fs.readFileSync(path.join(repository, "package.json"), "utf8")) as { version: string }).version,
  atMost: 10_000,
  output: (id) => `outputs/${id}/out.txt`,
  command: () => ({
    file: process.execPath,
    args: [path.join(repository, "bin/op-pipe.cjs"), "run", "--cores", jobs]
  }),
  writeFolder: (root, log) => {
    json(root, "package.json", { type: "module" })
    fs.writeFileSync(
      path.join(root, "pipeline.ts"),
      `import { Artifact, Pipeline, Stage } from ${JSON.stringify(path.join(repository, "core/index.ts"))}
const data = Pipeline.source({ name: "data", artifact: Artifact.folder({ tag: "Data/v1", path: "data" }), path: "data" })
const Count = Artifact.file({ tag: "Count/v1", path: "out.txt" })
const count = Stage.command({ name: "count", command: 'find "$data" -type f | wc -l > "$out"; echo count >> ${log}', inputs: { data: data.artifact }, output: { out: Count } })
export default Pipeline.make({ name: "folder", steps: [Pipeline.step(count, { inputs: { data: data.port } })] })
`
    )
  },
  write: (root, graph, watch) => {
    json(root, "package.json", { type: "module" })
    const steps = graph.map((node) => {
      const inputs = node.source === undefined ? node.parents : ["text"]
      const variables = inputs.map((each) => `"$${each}"`)
      return { ...node, inputs, command: commandOf(node, variables, '"$out"', watch) }
    })
    json(root, "graph.json", steps)
    fs.writeFileSync(
      path.join(root, "pipeline.ts"),
      `import { readFileSync } from "node:fs"
import { Artifact, Pipeline, Stage } from ${JSON.stringify(path.join(repository, "core/index.ts"))}
const graph = JSON.parse(readFileSync(new URL("graph.json", import.meta.url), "utf8"))
const Text = Artifact.file({ tag: "Text/v1", path: "out.txt" })
const steps = new Map()
const portOf = (source, name) => source === undefined
  ? steps.get(name).out.out
  : Pipeline.source({ name: source, artifact: Text, path: \`sources/\${source}\` }).port
for (const { id, source, inputs, command } of graph) {
  const wired = (value) => Object.fromEntries(inputs.map((name) => [name, value(name)]))
  const stage = Stage.command({ name: id, command, inputs: wired(() => Text), output: { out: Text } })
  steps.set(id, Pipeline.step(stage, { inputs: wired((name) => portOf(source, name)) }))
}
export default Pipeline.make({ name: "graph", steps: Array.from(steps.values()) })
`
    )
  }
}

const flat = (id: string): string => `out/${id}.txt`
const flatInputs = (node: Node): ReadonlyArray<string> =>
  node.source === undefined ? node.parents.map(flat) : [`sources/${node.source}`]

const make: Peer = {
  name: "make",
  version: versionOf("make"),
  atMost: 10_000,
  output: flat,
  command: () => ({ file: "make", args: ["-s", `-j${jobs}`, "all"] }),
  write: (root, graph, watch) => {
    fs.mkdirSync(path.join(root, "out"), { recursive: true })
    const rules = graph.map((node) => {
      const inputs = flatInputs(node)
      return `${flat(node.id)}: ${inputs.join(" ")}\n\t${commandOf(node, inputs, "$@", watch)}\n`
    })
    fs.writeFileSync(
      path.join(root, "Makefile"),
      `.DELETE_ON_ERROR:\nall: ${graph.map((node) => flat(node.id)).join(" ")}\n${rules.join("")}`
    )
  }
}

const ninja: Peer = {
  name: "ninja",
  version: versionOf("ninja"),
  atMost: 10_000,
  output: flat,
  command: () => ({ file: "ninja", args: ["--quiet", `-j${jobs}`] }),
  write: (root, graph, watch) => {
    fs.mkdirSync(path.join(root, "out"), { recursive: true })
    const edges = graph.map((node) => {
      const inputs = flatInputs(node)
      const command = commandOf(node, inputs, flat(node.id), watch)
      return `build ${flat(node.id)}: step ${inputs.join(" ")}\n  command = ${command}\n`
    })
    fs.writeFileSync(path.join(root, "build.ninja"), `rule step\n  command = $command\n  restat = 1\n${edges.join("")}`)
  }
}

const snakemake: Peer = {
  name: "snakemake",
  version: versionOf("snakemake"),
  atMost: 1000,
  output: flat,
  command: () => ({ file: "snakemake", args: ["-j", jobs, "--quiet", "all", "--", "all"] }),
  write: (root, graph, watch) => {
    fs.mkdirSync(path.join(root, "out"), { recursive: true })
    const list = (names: ReadonlyArray<string>): string => names.map((each) => JSON.stringify(each)).join(", ")
    const rules = graph.map((node) => {
      const inputs = flatInputs(node)
      const command = JSON.stringify(commandOf(node, inputs, flat(node.id), watch))
      return `rule ${node.id}:\n  input: ${list(inputs)}\n  output: ${JSON.stringify(flat(node.id))}\n  shell: ${command}\n`
    })
    const all = `rule all:\n  input: ${list(graph.map((node) => flat(node.id)))}\n`
    fs.writeFileSync(path.join(root, "Snakefile"), `${all}${rules.join("")}`)
  }
}

const inPackage = (id: string): string => `p/${id}/out.txt`
const packageInputs = (node: Node): ReadonlyArray<string> =>
  node.source === undefined ? node.parents.map((each) => `../${each}/out.txt`) : [`../../sources/${node.source}`]

/** Peers from npm, installed in \`tools\`. */
const fromNpm = (tools: string): ReadonlyArray<Peer> => {
  const modules = path.join(tools, "node_modules")
  const installed = (name: string): string | undefined => {
    try {
      const manifest = fs.readFileSync(path.join(modules, name, "package.json"), "utf8")
      return (JSON.parse(manifest) as { version: string }).version
    } catch {
      return undefined
    }
  }
  const link = (root: string): void => {
    if (!fs.existsSync(path.join(root, "node_modules"))) fs.symlinkSync(modules, path.join(root, "node_modules"))
  }
  const turbo: Peer = {
    name: "turbo",
    version: installed("turbo"),
    atMost: 1000,
    output: inPackage,
    env: { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", TURBO_NO_UPDATE_NOTIFIER: "1" },
    command: () => ({
      file: path.join(modules, ".bin/turbo"),
      args: ["run", "build", `--concurrency=${jobs}`, "--output-logs=none", "--ui=stream"]
    }),
    writeFolder: (root, log) => {
      json(root, "package.json", { name: "root", private: true, packageManager: "npm@10.9.0", workspaces: ["data"] })
      json(root, "package-lock.json", { name: "root", lockfileVersion: 3, packages: {} })
      json(root, "turbo.json", { tasks: { build: { inputs: ["**"], outputs: [] } } })
      const build = `find . -type f | wc -l > ../out.txt; echo count >> ${log}`
      json(root, "data/package.json", { name: "data", version: "1.0.0", scripts: { build } })
    },
    write: (root, graph, watch) => {
      json(root, "package.json", { name: "root", private: true, packageManager: "npm@10.9.0", workspaces: ["p/*"] })
      json(root, "package-lock.json", { name: "root", lockfileVersion: 3, packages: {} })
      json(root, "turbo.json", {
        tasks: { build: { dependsOn: ["^build"], inputs: ["src.txt", "package.json"], outputs: ["out.txt"] } }
      })
      for (const node of graph) {
        const inputs = node.source === undefined ? packageInputs(node) : ["src.txt"]
        json(root, `p/${node.id}/package.json`, {
          name: node.id,
          version: "1.0.0",
          scripts: { build: commandOf(node, inputs, "out.txt", watch) },
          dependencies: Object.fromEntries(node.parents.map((each) => [each, "*"]))
        })
        // Inputs of a package lie inside it: its source is a second name of the file.
        if (node.source !== undefined)
          fs.linkSync(path.join(root, "sources", node.source), path.join(root, `p/${node.id}/src.txt`))
      }
    }
  }
  const nx: Peer = {
    name: "nx",
    version: installed("nx"),
    atMost: 1000,
    output: inPackage,
    env: { NX_NO_CLOUD: "true", NX_TUI: "false", NX_ADD_PLUGINS: "false", CI: "false", DO_NOT_TRACK: "1" },
    command: () => ({
      file: path.join(modules, ".bin/nx"),
      args: ["run-many", "-t", "build", `--parallel=${jobs}`, "--output-style=static"]
    }),
    stop: (root) => {
      try {
        execFileSync(path.join(modules, ".bin/nx"), ["daemon", "--stop"], { cwd: root, stdio: "ignore" })
      } catch {
        // it was not running
      }
    },
    writeFolder: (root, log) => {
      link(root)
      json(root, "package.json", { name: "root", private: true })
      json(root, "nx.json", { analytics: false })
      json(root, "p/count/project.json", {
        name: "count",
        targets: {
          build: {
            executor: "nx:run-commands",
            options: { command: `find data -type f | wc -l > p/count/out.txt; echo count >> ${log}` },
            cache: true,
            inputs: ["{workspaceRoot}/data/**/*"],
            outputs: ["{projectRoot}/out.txt"]
          }
        }
      })
    },
    write: (root, graph, watch) => {
      link(root)
      json(root, "package.json", { name: "root", private: true })
      json(root, "nx.json", { analytics: false })
      for (const node of graph) {
        const source = node.source === undefined ? [] : [`{workspaceRoot}/sources/${node.source}`]
        json(root, `p/${node.id}/project.json`, {
          name: node.id,
          implicitDependencies: node.parents,
          targets: {
            build: {
              executor: "nx:run-commands",
              options: { command: commandOf(node, packageInputs(node), "out.txt", watch), cwd: `p/${node.id}` },
              cache: true,
              dependsOn: ["^build"],
              inputs: [...source, { dependentTasksOutputFiles: "**/out.txt" }],
              outputs: ["{projectRoot}/out.txt"]
            }
          }
        })
      }
    }
  }
  const wireit: Peer = {
    name: "wireit",
    version: installed("wireit"),
    atMost: 1000,
    output: flat,
    env: { WIREIT_PARALLEL: jobs, WIREIT_LOGGER: "quiet", npm_config_update_notifier: "false" },
    command: () => ({ file: "npm", args: ["run", "--silent", "all"] }),
    writeFolder: (root, log) => {
      link(root)
      json(root, "package.json", {
        name: "root",
        private: true,
        scripts: { all: "wireit" },
        wireit: {
          all: {
            command: `find data -type f | wc -l > out.txt; echo count >> ${log}`,
            files: ["data/**"],
            output: ["out.txt"]
          }
        }
      })
    },
    write: (root, graph, watch) => {
      link(root)
      fs.mkdirSync(path.join(root, "out"), { recursive: true })
      const scripts = graph.map((node) => [
        node.id,
        {
          command: commandOf(node, flatInputs(node), flat(node.id), watch),
          dependencies: node.parents,
          files: node.source === undefined ? [] : [`sources/${node.source}`],
          output: [flat(node.id)]
        }
      ])
      json(root, "package.json", {
        name: "root",
        private: true,
        scripts: Object.fromEntries([["all", "wireit"], ...graph.map((node) => [node.id, "wireit"])]),
        wireit: { all: { dependencies: graph.map((node) => node.id) }, ...Object.fromEntries(scripts) }
      })
    }
  }
  return [turbo, nx, wireit]
}

export const peers = (tools: string): ReadonlyArray<Peer> => [opPipe, make, ninja, snakemake, ...fromNpm(tools)]
