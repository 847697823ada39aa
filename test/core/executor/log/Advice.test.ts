/** Advice about what a command did not find. */
import { mkdirSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { adviceFor } from "../../../../core/executor/log/Advice.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

const project = (): string => {
  const root = path.join(temporaryFolder(), "project")
  mkdirSync(path.join(root, "conf files"), { recursive: true })
  for (const name of ["config.yaml", "conf files/ä.json"]) writeFileSync(path.join(root, name), "")
  return root
}

describe("a file of the project that is no input", () => {
  it.each([
    ["config.yaml", "cat: config.yaml: No such file or directory"],
    ["config.yaml", "bash: line 1: config.yaml: No such file or directory"],
    ["config.yaml", "FileNotFoundError: [Errno 2] No such file or directory: 'config.yaml'"],
    ["config.yaml", "Error: ENOENT: no such file or directory, open 'config.yaml'"],
    ["conf files/ä.json", "ls: cannot access 'conf files/ä.json': No such file or directory"],
    ["conf files", "Error in file(x): cannot open file './conf files': No such file or directory"]
  ])("is named: %s", (name, line) => {
    expect(adviceFor(project(), `. Its last words:\nbefore\n${line}\nafter`)).toContain(
      `Pipeline.source({ path: "${name}" })`
    )
  })

  it("is not made up of what is not there, lies elsewhere, or is told of otherwise", () => {
    const root = project()
    for (const line of [
      "cat: other.yaml: No such file or directory",
      `cat: ${root}: No such file or directory`,
      "cat: ../project2/x: No such file or directory",
      "cat: /etc/passwd: No such file or directory",
      "cat: config.yaml: Permission denied",
      ": No such file or directory",
      ""
    ])
      expect(adviceFor(root, line), line).toBe("")
  })

  it("is named by its place when its whole path was asked for", () => {
    const root = project()
    expect(adviceFor(root, `cat: ${root}/config.yaml: No such file or directory`)).toContain('path: "config.yaml"')
  })
})

it("of a module that a Python script does not find, the places are told", () => {
  const advice = adviceFor(project(), "Traceback\n  import helper\nModuleNotFoundError: No module named 'helper'")
  expect(advice).toContain("`path: [...]`")
})
