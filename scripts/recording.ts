/**
 * recording: runs commands under a pseudo terminal and draws what was seen, over time, as an SVG; one for light pages and one for dark.
 *
 * `node scripts/recording.ts` makes `docs/pictures/run-light.svg` and `run-dark.svg` from the scene below, run on a copy of HEAD. It needs
 * Linux's `script`, which gives a program a terminal.
 *
 * A program that draws no animations (or a reader who asked for none) sees the last screen.
 */
import { execFileSync, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

/** Text as it came, and when. */
export interface Chunk {
  readonly atMs: number
  readonly text: string
}

interface Cell {
  readonly char: string
  /** Names of styles, joined by a space. */
  readonly style: string
}

const styleNames: Readonly<Record<string, string>> = {
  1: "bold",
  2: "dim",
  31: "red",
  32: "green",
  33: "yellow",
  36: "cyan"
}

/** A terminal of that many columns: characters, line ends, colours, moves of the cursor and erasures, as op-pipe and npx draw them. */
export const makeScreen = (columns: number) => {
  const rows: Array<Array<Cell>> = [[]]
  let [row, column, style] = [0, 0, ""]
  const newLine = (): void => {
    row++
    rows[row] ??= []
  }
  const control = (parameter: string, action: string): void => {
    if (action === "A") row = Math.max(0, row - Number(parameter || 1))
    else if (action === "J") {
      rows.splice(row + 1)
      rows[row]!.splice(column)
    } else if (action === "G") column = Number(parameter || 1) - 1
    else if (action === "K") rows[row]!.splice(column)
    else if (action === "m")
      style = parameter === "0" || parameter === "" ? "" : `${style} ${styleNames[parameter] ?? ""}`.trim()
  }
  const put = (char: string): void => {
    if (column === columns) {
      newLine()
      column = 0
    }
    rows[row]![column++] = { char, style }
  }
  return {
    write: (text: string): void => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are spoken to in control characters
      for (const [part, parameter, action] of text.matchAll(/\u001b\[([\d;]*)([A-Za-z])|[\s\S]/gu)) {
        if (action !== undefined) control(parameter ?? "", action)
        else if (part === "\n") newLine()
        else if (part === "\r") column = 0
        else put(part)
      }
    },
    /** Each row as runs of one style. */
    rows: (): ReadonlyArray<ReadonlyArray<{ readonly text: string; readonly style: string }>> =>
      rows.map((cells) => {
        const runs: Array<{ text: string; style: string }> = []
        for (const { char, style } of cells) {
          const last = runs.at(-1)
          if (last?.style === style) last.text += char
          else runs.push({ text: char, style })
        }
        return runs
      })
  }
}

interface Shown {
  readonly row: number
  readonly svg: string
  readonly fromMs: number
  /** Undefined: to the end. */
  toMs: number | undefined
}

const escape = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")

/** What each row showed, and from when to when. */
const intervals = (chunks: ReadonlyArray<Chunk>, columns: number): ReadonlyArray<Shown> => {
  const screen = makeScreen(columns)
  const all: Array<Shown> = []
  const current = new Map<number, Shown>()
  for (const { atMs, text } of chunks) {
    screen.write(text)
    const drawn = screen
      .rows()
      .map((runs) =>
        runs
          .map(({ text, style }) => (style === "" ? escape(text) : `<tspan class="${style}">${escape(text)}</tspan>`))
          .join("")
      )
    for (let row = 0; row < Math.max(drawn.length, current.size); row++) {
      const [before, svg] = [current.get(row), drawn[row] ?? ""]
      if (before?.svg === svg) continue
      if (before !== undefined) before.toMs = atMs
      const shown: Shown = { row, svg, fromMs: atMs, toMs: undefined }
      current.set(row, shown)
      all.push(shown)
    }
  }
  return all.filter(({ svg, fromMs, toMs }) => svg !== "" && fromMs !== toMs)
}

export type Theme = "light" | "dark"
const colours: Readonly<Record<Theme, Readonly<Record<string, string>>>> = {
  light: {
    page: "#ffffff",
    edge: "#d1d9e0",
    text: "#1f2328",
    dim: "#59636e",
    red: "#b3261e",
    green: "#1a7f37",
    yellow: "#8a5a00",
    cyan: "#0b6b8a"
  },
  dark: {
    page: "#0d1117",
    edge: "#3d444d",
    text: "#f0f6fc",
    dim: "#9198a1",
    red: "#ff7b72",
    green: "#3fb950",
    yellow: "#d29922",
    cyan: "#56c8e8"
  }
}

const [charWidth, lineHeight, margin, restMs] = [8.4, 20, 16, 5_000]

/** The SVG of what came; after the last screen has stood for a while it begins again. */
export const draw = (chunks: ReadonlyArray<Chunk>, columns: number, theme: Theme): string => {
  const shown = intervals(chunks, columns)
  const totalMs = Math.max(...chunks.map(({ atMs }) => atMs)) + restMs
  const rows = Math.max(...shown.map(({ row }) => row)) + 1
  const [width, height] = [Math.ceil(columns * charWidth) + 2 * margin, rows * lineHeight + 2 * margin]
  const at = (ms: number): string => `${((100 * ms) / totalMs).toFixed(2)}%`
  const names = new Map<string, string>()
  const keyframes: Array<string> = []
  const lines = shown.map(({ row, svg, fromMs, toMs }) => {
    const key = `${at(fromMs)} ${toMs === undefined ? "" : at(toMs)}`
    if (!names.has(key)) {
      const name = `k${names.size}`
      names.set(key, name)
      const before = fromMs === 0 ? "" : "0%{opacity:0}"
      const after = toMs === undefined ? "" : `${at(toMs)}{opacity:0}`
      keyframes.push(
        `@keyframes ${name}{${before}${at(fromMs)}{opacity:1}${after}}.${name}{animation-name:${name}${toMs === undefined ? "" : ";opacity:0"}}`
      )
    }
    return `<text class="${names.get(key)}" x="${margin}" y="${margin + 14 + row * lineHeight}">${svg}</text>`
  })
  const { page, edge, text, ...styles } = colours[theme]
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>A recording of a terminal</title>
<style>
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:${text};white-space:pre;animation-duration:${totalMs}ms;animation-timing-function:step-end;animation-iteration-count:infinite}
.bold{font-weight:700}
${Object.entries(styles)
  .map(([name, colour]) => `.${name}{fill:${colour}}`)
  .join("\n")}
${keyframes.join("\n")}
@media (prefers-reduced-motion:reduce){text{animation:none}}
</style>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="${page}" stroke="${edge}"/>
${lines.join("\n")}
</svg>
`
}

/** Runs a shell command under a pseudo terminal; times count from its start. */
const record = (command: string, cwd: string, columns: number): Promise<ReadonlyArray<Chunk>> =>
  new Promise((resolve, reject) => {
    const chunks: Array<Chunk> = []
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD|NO_COLOR|CI$)/i.test(name))
    )
    const child = spawn("script", ["-qfec", `stty cols ${columns} rows 50; ${command}`, "/dev/null"], {
      cwd,
      env: { ...env, TERM: "xterm-256color" },
      stdio: ["ignore", "pipe", "inherit"]
    })
    const started = performance.now()
    child.stdout
      .setEncoding("utf8")
      .on("data", (text: string) => chunks.push({ atMs: performance.now() - started, text }))
    child.on("error", reject)
    child.on("close", (code) =>
      code === 0
        ? resolve(chunks)
        : reject(new Error(`${command} ended with ${code}: ${chunks.map(({ text }) => text).join("")}`))
    )
  })

/** Chunks that came within a tenth of a second as one: what an eye can tell apart. */
const merged = (chunks: ReadonlyArray<Chunk>): ReadonlyArray<Chunk> => {
  const all: Array<Chunk> = []
  for (const chunk of chunks) {
    const last = all.at(-1)
    if (last !== undefined && chunk.atMs - last.atMs < 100)
      all[all.length - 1] = { atMs: last.atMs, text: last.text + chunk.text }
    else all.push(chunk)
  }
  return all
}

/** Commands one after the other, each typed behind a prompt. */
export const scene = async (
  commands: ReadonlyArray<string>,
  cwd: string,
  columns: number
): Promise<ReadonlyArray<Chunk>> => {
  const all: Array<Chunk> = []
  let nowMs = 0
  for (const [index, command] of commands.entries()) {
    all.push({ atMs: nowMs, text: `${index === 0 ? "" : "\r\n"}\u001b[2m$\u001b[0m ` })
    const letters = Array.from(command)
    letters.forEach((text, i) => all.push({ atMs: nowMs + 500 + i * 30, text }))
    nowMs += 500 + letters.length * 30 + 300
    all.push({ atMs: nowMs, text: "\r\n" })
    const chunks = await record(command, cwd, columns)
    all.push(...merged(chunks).map(({ atMs, text }) => ({ atMs: nowMs + atMs, text })))
    nowMs = all.at(-1)!.atMs + 1_500
  }
  return all
}

const main = async (): Promise<void> => {
  const root = fileURLToPath(new URL("..", import.meta.url))
  const copy = mkdtempSync(path.join(tmpdir(), "op-pipe-recording-"))
  const pictures = path.join(root, "docs/pictures")
  const columns = 96
  try {
    execFileSync("sh", ["-c", `git archive HEAD | tar -x -C "$0"`, copy], { cwd: root })
    execFileSync("npm", ["ci", "--prefer-offline"], { cwd: copy, stdio: "inherit" })
    // The demo images are made beforehand, as they are on anybody's second run.
    execFileSync("npx", ["op-pipe", "run", "--profile", "tiny", "--only", "split"], { cwd: copy })
    rmSync(path.join(copy, ".op-pipe"), { recursive: true })
    rmSync(path.join(copy, "outputs"), { recursive: true })
    const chunks = await scene(
      ["npx op-pipe run --profile tiny", "npx op-pipe run --profile tiny --set compare.activation=sparsemax"],
      copy,
      columns
    )
    mkdirSync(pictures, { recursive: true })
    for (const theme of ["light", "dark"] as const)
      writeFileSync(path.join(pictures, `run-${theme}.svg`), draw(chunks, columns, theme))
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

if (import.meta.main) await main()
