/**
 * Bugs to plant, each a replacement of one piece of text, and the harness that must find it out. The harnesses are only
 * worth something if they notice these.
 */
export interface PlantedBug {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Test files that are run; at least one of their tests must fail. */
  readonly caughtBy: ReadonlyArray<string>
  /** Found by a tenth of the harness at its full size, and not by its slice; this is the test in it. */
  readonly rare?: string
  /** Quick enough for every run of the tests. */
  readonly quick?: boolean
}

const crash = "test/hostile/crash.test.ts"
const waiting = "test/core/executor/remote/Waiting.test.ts"
const cluster = "test/cli/on/slurm.test.ts"
const edits = "test/hostile/edits.test.ts"
const damage = "test/hostile/damage.test.ts"
const programs = "test/hostile/programs.test.ts"
const scripts = "test/cache/code/python/PythonCode.test.ts"
const skipping = "test/core/run/outcome/UpToDate.test.ts"
const remote = "test/hostile/remote.test.ts"
const servers = "test/hostile/servers.test.ts"
const splitting = "test/stages/split.test.ts"

const many = "test/hostile/many.test.ts"

export const plantedBugs: ReadonlyArray<PlantedBug> = [
  {
    name: "networks that learned little are equivalent within more than they learned",
    file: "stages/lib/statistics/Statistics.ts",
    find: "shareOfLearned * (Math.min(...accuracies) - constant)",
    replace: "asked",
    caughtBy: ["test/stages/lib/statistics/Statistics.test.ts"]
  },
  {
    name: "a class with a dot in its name is taken for a document",
    file: "demo/EmojiSource.ts",
    find: "aboutTheSet.test(relative) ||",
    replace: '(!relative.includes("/") && relative.includes(".")) ||',
    caughtBy: ["test/demo/EmojiSource.test.ts"]
  },
  {
    name: "what one of several seeds shows is told as a finding",
    file: "stages/lib/report/sections/Findings.ts",
    find: "from.every((each) => each !== undefined)",
    replace: "from.some((each) => each !== undefined)",
    caughtBy: ["test/stages/lib/report/sections/Findings.test.ts"]
  },
  {
    name: "a bold text is measured as a plain one",
    file: "charts/Render.ts",
    find: 'size, weightOf(attribute(attributes, "font-weight")))',
    replace: "size)",
    caughtBy: ["test/charts/Render.test.ts"]
  },
  {
    name: "the number of threads is in the key",
    file: "engine/Identify.ts",
    find: "    threads: null,\n",
    replace: "    threads: threadsOf(params, options),\n",
    caughtBy: ["test/engine/engines.test.ts"]
  },
  {
    name: "a part's sums of the gradient are those of its thread",
    file: "engine/native/src/program_conv.cpp",
    find: "  float* sums = l.partialSums + 2LL * part * l.shape.cout;\n  k_.normSums(dy",
    replace: "  float* sums = l.partialSums + 2LL * thread * l.shape.cout;\n  k_.normSums(dy",
    caughtBy: ["test/engine/windows.test.ts"]
  },
  {
    name: "a name below a Grad-CAM image is as long as it likes",
    file: "stages/lib/report/drawings/LookedAt.ts",
    find: "shorten(classOf(classes, one[variant]), side)",
    replace: "classOf(classes, one[variant])",
    caughtBy: ["test/stages/lib/report/drawings/Names.test.ts"]
  },
  {
    name: "classes of the same probability share a place",
    file: "stages/lib/statistics/scores/Metrics.ts",
    find: " || (k < label && row[k] === own)",
    replace: "",
    caughtBy: ["test/stages/lib/statistics/scores/Metrics.test.ts"]
  },
  {
    name: "a blob is not synced before it is renamed",
    file: "cache/store/Commit.ts",
    find: "  yield* disk.syncFile(from)\n",
    replace: "",
    caughtBy: [crash]
  },
  {
    name: "a result is used without a look at its blobs",
    file: "cache/store/ResultStore.ts",
    find: `      if (Option.isNone(yield* blobs.verified(digest))) return "damaged"\n`,
    replace: "",
    caughtBy: [damage]
  },
  {
    name: "a blob is trusted on its name",
    file: "cache/store/BlobStore.ts",
    find: "if (Option.isSome(actual) && actual.value === digest) return",
    replace: "if (Option.isSome(actual)) return",
    caughtBy: [damage]
  },
  {
    name: "a record's checksum is not looked at",
    file: "cache/store/Commit.ts",
    find: "end === checksumDigits && text.slice(0, end) === ofText(body)",
    replace: "end === checksumDigits",
    caughtBy: [damage]
  },
  {
    name: "the racy rule is off",
    file: "cache/store/StatMemo.ts",
    find: "    if (!isRacy(stat, startedMs) && keepsTimes(",
    replace: "    if ((!isRacy(stat, startedMs) || filesRead > 0) && keepsTimes(",
    caughtBy: ["test/cache/store/StatMemo.test.ts"],
    quick: true
  },
  {
    name: "the memo does not look at ctime",
    file: "cache/identity/FileStat.cjs",
    find: " && figures[at + 2] === ctimeMs",
    replace: "",
    caughtBy: ["test/cache/store/StatMemo.test.ts"],
    quick: true
  },
  {
    name: "a tree of the same folders is taken to be as it was",
    file: "cache/store/Tree.ts",
    find: "if (before !== undefined && isSameShape && isAsKnown(root, listings, memo))",
    replace: "if (before !== undefined && isSameShape)",
    caughtBy: ["test/cache/store/Tree.test.ts"],
    quick: true
  },
  {
    name: "what was seen of code is not looked at again",
    file: "cache/code/CodeIdentity.ts",
    find: "(yield* StatSnapshot.isCurrent(remembered.snapshot)) ? remembered : undefined",
    replace: "remembered",
    caughtBy: ["test/cache/code/CodeIdentity.test.ts", edits]
  },
  {
    name: "the collection takes the lists of what sources held",
    file: "cache/store/Gc.ts",
    find: ", ...(yield* listingsOf(staying))",
    replace: "",
    caughtBy: ["test/cache/store/Gc.test.ts"]
  },
  {
    name: "a checkpoint is taken as it is",
    file: "core/executor/TaskRun.ts",
    find: "(yield* Commit.checksumOf([saved])) === written ? saved : undefined",
    replace: "saved",
    caughtBy: ["test/core/executor/TaskRun.test.ts"]
  },
  {
    name: "a checkpoint of sources that were touched since is taken up",
    file: "core/run/StepRun.ts",
    find: "Tree.statDigest(content))",
    replace: "content.digest)",
    caughtBy: ["test/core/run/StepRun.test.ts"]
  },
  {
    name: "links that lead out of an output are kept",
    file: "core/run/TakeOutputs.ts",
    find: "if (leads === undefined) continue",
    replace: "if (leads !== undefined || name !== undefined) continue",
    caughtBy: ["test/core/run/Materialize.test.ts"]
  },
  {
    name: "what people put into the outputs is replaced",
    file: "core/run/Materialize.ts",
    find: "  if (yield* isOccupied(result, folder)) return yield* new OutputsOccupied({ folder })\n",
    replace: "",
    caughtBy: ["test/core/run/Materialize.test.ts"]
  },
  {
    name: "a source that is missing stands in the way of steps that do not read it",
    file: "core/plan/Plan.ts",
    find: "if (!goesOn) return found",
    replace: "if (true) return found",
    caughtBy: ["test/cli/stray.test.ts"]
  },
  {
    name: "what people put into a step's outputs goes with them",
    file: "core/run/Materialize.ts",
    find: "    yield* Kept.moveAside(folder, told.kept)\n",
    replace: "",
    caughtBy: ["test/core/run/Materialize.test.ts"]
  },
  {
    name: "an input that was edited and put back is taken to be untouched",
    file: "core/run/step/Unchanged.ts",
    find: "if (Tree.isUntouched(before.content, now.content)) continue",
    replace: "if (before.content.digest === now.content.digest) continue",
    caughtBy: ["test/regressions/handed.test.ts"]
  },
  {
    name: "helpers do not count",
    file: "cache/code/ModuleClosure.ts",
    find: "for (const target of syntax.imports) yield* follow",
    replace: "for (const target of syntax.imports.slice(99)) yield* follow",
    caughtBy: [edits]
  },
  {
    name: "the helpers of a script do not count",
    file: "core/python/identify.py",
    find: "            self.follow(name)\n",
    replace: "            pass\n",
    caughtBy: [scripts]
  },
  {
    name: "what is installed for a script does not count",
    file: "core/python/identify.py",
    find: "packages = self.distributions.closure(dists)",
    replace: "packages = {}",
    caughtBy: [scripts]
  },
  {
    name: "docstrings never count",
    file: "core/python/identify.py",
    find: "keeps_docs = any(",
    replace: "keeps_docs = False and any(",
    caughtBy: [scripts]
  },
  {
    name: "a script sees what lies beside its modules",
    file: "core/executor/python/PythonRun.ts",
    find: "new Set([...own, ...work.files]",
    replace: "new Set([...own, path.dirname(work.script), ...work.files]",
    caughtBy: ["test/cli/python.test.ts"]
  },
  {
    name: "a script's modules are not looked at again when it has run",
    file: "core/run/step/Unchanged.ts",
    find: "  if (before === undefined) return\n  const [first]",
    replace: '  if (before === undefined || step.stage._tag === "Command") return\n  const [first]',
    caughtBy: ["test/cli/python.test.ts"]
  },
  {
    name: "a name that leads to another module during the run is not seen",
    file: "core/run/step/Unchanged.ts",
    find: "  return now === before.text",
    replace: "  return true",
    caughtBy: ["test/cli/edited.test.ts"]
  },
  {
    name: "steps that take more memory than there is run at once",
    file: "core/run/step/Budget.ts",
    find: "holdOf(budget.memory, need.memory)",
    replace: "holdOf(budget.memory, 0)",
    caughtBy: ["test/cli/resources.test.ts"]
  },
  {
    name: "packages do not count",
    file: "cache/identity/CacheKey.ts",
    find: "const values = [stage, code, params,",
    replace:
      'const values = [stage, "modules" in code ? code.modules : code.text.replace(/"packages":.*/u, ""), params,',
    caughtBy: [edits]
  },
  {
    name: "the tables that Node was built with do not count",
    file: "cache/identity/CacheKey.ts",
    find: '  unicode: versions["unicode"] ?? "none",\n',
    replace: "",
    caughtBy: ["test/cache/identity/CacheKey.test.ts"],
    quick: true
  },
  {
    name: "the order of statements does not count",
    file: "cache/code/ModuleClosure.ts",
    find: "  Object.assign(statements, orderIn(syntax, statements))\n",
    replace: "",
    caughtBy: [edits],
    rare: "as modelled"
  },
  {
    name: "where links of modules lead does not count",
    file: "cache/code/ModuleClosure.ts",
    find: 'statements[`target of "${specifier}"`] = yield* label(file)',
    replace: "yield* label(file)",
    caughtBy: [edits]
  },
  {
    name: "a linked package counts by its version",
    file: "cache/code/Packages.ts",
    find: "manifest !== undefined && folder.includes(below) ? yield* lockedAs(folder) : undefined",
    replace: 'manifest !== undefined ? "x" : undefined',
    caughtBy: [edits]
  },
  {
    name: "hidden files of a linked package do not count",
    file: "cache/code/Packages.ts",
    find: 'name === "node_modules" || toolCaches.has(name)',
    replace: 'name === "node_modules" || name.startsWith(".") || toolCaches.has(name)',
    caughtBy: ["test/cache/code/fingerprints.test.ts"],
    quick: true
  },
  {
    name: "by what name a package is imported does not count",
    file: "cache/code/PackageVersions.ts",
    find: "} else if (name !== used.name || !tellsAll(name)) {",
    replace: "} else if (!tellsAll(used.name)) {",
    caughtBy: [edits],
    rare: "as modelled"
  },
  {
    name: "who imports which version does not count",
    file: "cache/code/PackageVersions.ts",
    find: "kindsAmong(byName.get(name)) === 1 && !missed.has(name)",
    replace: "byName.has(name) || missed.has(name)",
    caughtBy: [edits],
    rare: "as modelled"
  },
  {
    name: "a bundle does not look at how its modules were found",
    file: "core/start/modules.mjs",
    find: "Resolver.lookAtDisk(looked.note)",
    replace: 'Resolver.lookAtDisk((file) => file.includes("node_modules") && looked.note(file))',
    caughtBy: [edits],
    rare: "executed"
  },
  {
    name: "a bundle does not look at how its packages were found",
    file: "core/start/modules.mjs",
    find: "Resolver.lookAtDisk(looked.note)",
    replace: 'Resolver.lookAtDisk((file) => file.includes("node_modules") || looked.note(file))',
    caughtBy: [edits],
    rare: "executed"
  },
  {
    name: "a bundle heeds what comments say of calls",
    file: "core/start/modules.mjs",
    find: "    ignoreAnnotations: true,\n",
    replace: "",
    caughtBy: ["test/core/start/bundle.test.ts"]
  },
  {
    name: "modules see the names of the script that they are bundled into",
    file: "core/start/modules.mjs",
    find: '  module: "__op_pipe_no_module",\n',
    replace: "",
    caughtBy: ["test/core/start/bundle.test.ts"]
  },
  {
    name: "what led to a module is not looked at again",
    file: "cache/code/ModuleFiles.ts",
    find: "    recorder.note(file, stat !== undefined)\n",
    replace: "",
    caughtBy: ["test/cache/code/ModuleClosure.test.ts"],
    quick: true
  },
  {
    name: "what a re-exporting module loads unasked does not count, whatever it does",
    file: "cache/code/ModuleClosure.ts",
    find: "if (!isAsked && (yield* isInert(exploration, file, reexport.from))) continue",
    replace: "if (!isAsked) continue",
    caughtBy: ["test/cache/code/ModuleClosure.test.ts"],
    quick: true
  },
  {
    name: "modules that import each other are judged one by one",
    file: "cache/code/ModuleClosure.ts",
    find: "    if (!syntax.inert) return false\n    reached.add(found.file)",
    replace: "    if (!syntax.inert) return false\n    reached.add(found.file)\n    inert.add(found.file)",
    caughtBy: ["test/cache/code/ModuleClosure.test.ts"],
    quick: true
  },
  {
    name: "what a command's document is handed on without does not count",
    file: "core/plan/Ingredients.ts",
    find: "artifact.volatile.length > 0 ?",
    replace: "artifact.volatile.length < 0 ?",
    caughtBy: ["test/regressions/handed.test.ts"]
  },
  {
    name: "by what name a command finds an input does not count",
    file: "core/plan/Ingredients.ts",
    find: "input[name] = inputs[name]!.artifact.path",
    replace: 'input[name] = ""',
    caughtBy: ["test/regressions/handed.test.ts"]
  },
  {
    name: "by what name a module finds an input does not count",
    file: "core/plan/Ingredients.ts",
    find: "declared?.path === path ? digest",
    replace: "declared !== undefined ? digest",
    caughtBy: ["test/regressions/handed.test.ts"]
  },
  {
    name: "a file that a step made counts without its mode",
    file: "cache/store/Tree.ts",
    find: "mode === ordinaryMode ? content",
    replace: "mode >= 0 ? content",
    caughtBy: ["test/regressions/handed.test.ts"]
  },
  {
    name: "whether a file may be executed does not count",
    file: "cache/store/Tree.ts",
    find: "(stat.mode & 0o100) === 0 ? 0 : 0o111",
    replace: "(mode & 0o100) === 0 ? 0 : 0",
    caughtBy: [edits, "test/regressions/sources.test.ts"]
  },
  {
    name: "files beside a module count by being there",
    file: "cache/code/ModuleClosure.ts",
    find: 'digest ?? "not there"',
    replace: 'digest === undefined ? "not there" : "there"',
    caughtBy: ["test/cache/code/ModuleClosure.test.ts"],
    quick: true
  },
  {
    name: "parameters do not count",
    file: "cache/identity/CacheKey.ts",
    find: "[stage, code, params, inputs,",
    replace: "[stage, code, Object.keys(params), inputs,",
    caughtBy: [edits]
  },
  {
    name: "only the number of inputs counts",
    file: "cache/identity/CacheKey.ts",
    find: "[stage, code, params, inputs,",
    replace: "[stage, code, params, Object.keys(inputs),",
    caughtBy: [edits]
  },
  {
    name: "inputs count by who made them, so nothing stops the ripple",
    file: "core/plan/Ingredients.ts",
    find: "  return outputOf(prepared, port, results)?.digest",
    replace: '  return (port.owner._tag === "Step" ? results.get(port.owner.id)?.key : undefined)',
    caughtBy: [edits]
  },
  {
    name: "comments count",
    file: "cache/code/ModuleClosure.ts",
    find: "    statements[titles[index]!] = declaration.digest",
    replace: "    statements[titles[index]!] = digest",
    caughtBy: [edits]
  },
  {
    name: "outputs are taken to be as they were left",
    file: "core/plan/OutputFolder.ts",
    find: "Tree.isSame(found, expected)",
    replace: "Option.isSome(found)",
    caughtBy: [edits, "test/core/run/TakeOutputs.test.ts"]
  },
  {
    name: "of an up-to-date result no blob is looked at",
    file: "cache/store/ResultStore.ts",
    find: "return blobsOf(result).every((digest) => blobs.isKnown(digest, sync)) ? result : undefined",
    replace: "return result",
    caughtBy: [skipping],
    quick: true
  },
  {
    name: "of a blob of an up-to-date result only its being there is looked at",
    file: "cache/store/BlobStore.ts",
    find: "return stat !== undefined && memo.known(path, stat) === digest",
    replace: "return stat !== undefined",
    caughtBy: [skipping],
    quick: true
  },
  {
    name: "of an up-to-date result the outputs are not looked at",
    file: "core/plan/Freshness.ts",
    find: "tree === undefined || !Tree.isSame(tree, OutputFolder.expectedTree(result))",
    replace: "tree === undefined",
    caughtBy: [skipping],
    quick: true
  },
  {
    name: "a result is up to date although it is not the step's last",
    file: "cache/store/ResultStore.ts",
    find: "if (result === undefined || !isLast(step, key, sync)) return undefined",
    replace: "if (result === undefined) return undefined",
    caughtBy: [skipping],
    quick: true
  },
  {
    name: "the newest run's record is believed although another's came after it",
    file: "core/run/RunLog.ts",
    find: "if (folder.mtimeMs > ctimeMs + putMs) return noLastKeys",
    replace: "",
    caughtBy: [skipping]
  },
  {
    name: "the history is believed of a step whose last result was noted since",
    file: "cache/store/ResultStore.ts",
    find: "(keys[step] === key && isAsTold(note, sync))",
    replace: "keys[step] === key",
    caughtBy: ["test/core/plan/Freshness.test.ts"]
  },
  {
    name: "of an up-to-date result only the folders are looked at, and not whose they are",
    file: "core/plan/Freshness.ts",
    find: 'isMarked(folder, sync) ? { state: "fresh", result } : unknown',
    replace: '{ state: "fresh", result }',
    caughtBy: [skipping],
    quick: true
  },
  {
    name: "a step that is up to date is skipped though it is forced",
    file: "core/plan/Freshness.ts",
    find: "isForced(forced, step) || Template",
    replace: "Template",
    caughtBy: [skipping],
    quick: true
  },
  {
    name: "steps that are up to date are skipped though they are to be verified",
    file: "core/run/Runner.ts",
    find: "if (!options.verify && options.outputsDir !== undefined) yield*",
    replace: "if (options.outputsDir !== undefined) yield*",
    caughtBy: [skipping],
    quick: true
  },
  {
    name: "compiled code is believed whatever it is",
    file: "core/start/program.cjs",
    find: "return bytes.latin1Slice(0, headBytes) === headOf(code) ? code : undefined",
    replace: "return code",
    caughtBy: ["test/core/start/start.test.ts"]
  },
  {
    name: "a document of an up-to-date result is not decoded",
    file: "core/plan/Freshness.ts",
    find: "if (found === undefined || StoredResult.decodesDocuments(step)) return unknown",
    replace: "if (found === undefined) return unknown",
    caughtBy: [skipping],
    quick: true
  },
  {
    name: "outputs are laid over what is there",
    file: "core/run/Materialize.ts",
    find: "    if (replaces) yield* disk.rename(folder, old)\n    yield* disk.rename(aside, folder)",
    replace: '    yield* build(expectedTree(result, rendered), folder, "copy", rendered)',
    caughtBy: ["test/core/run/TakeOutputs.test.ts"],
    quick: true
  },
  {
    name: "edits during a step go unseen",
    file: "core/run/StepRun.ts",
    find: "  yield* Unchanged.checkUnchanged(prepared, step, key, executed)\n",
    replace: "",
    caughtBy: [damage]
  },
  {
    name: "two processes execute one key",
    file: "core/run/StepRun.ts",
    find: 'const meanwhile = isAgain(execution) ? "absent" : yield* StoredResult.find(execution.step, execution.key)',
    replace: 'const meanwhile = "absent" as StepResult | string',
    caughtBy: ["test/hostile/processes.test.ts"]
  },
  {
    name: "the reason names another thing",
    file: "cache/identity/CacheKey.ts",
    find: 'diffJson(before.params, after.params, "").map((line) => `parameter ${line}`)',
    replace: 'diffJson(before.params, after.params, "").map(() => "the code changed")',
    caughtBy: [edits]
  },
  {
    name: "a link in a source counts by its text",
    file: "cache/store/Tree.ts",
    find: 'entry.kind === "link" && of === "source" && links === "follow"',
    replace: 'entry.kind === "link" && of === "source" && links !== "follow"',
    caughtBy: ["test/cache/store/Links.test.ts"],
    quick: true
  },
  {
    name: "only the root ends a circle of links",
    file: "cache/store/Tree.ts",
    find: "around.some((each) => SourceLink.isIn(each, real))",
    replace: "SourceLink.isIn(around[0]!, real)",
    caughtBy: ["test/cache/store/Links.test.ts"],
    quick: true
  },
  {
    name: "hidden files of a source do not count",
    file: "cache/store/tree/LeftBehind.ts",
    find: 'return leftBehind.has(name) || name.startsWith("._")',
    replace: 'return name.startsWith(".")',
    caughtBy: ["test/regressions/sources.test.ts"]
  },
  {
    name: "what a source ignores is in a sealed step's view",
    file: "core/executor/Sandbox.ts",
    find: "...emptied(walls.ignored ?? []),",
    replace: "",
    caughtBy: ["test/regressions/sources.test.ts"]
  },
  {
    name: "a sealed step may reach the network",
    file: "core/executor/Sandbox.ts",
    find: `  "--unshare-all",\n`,
    replace: `  "--unshare-all",\n  "--share-net",\n`,
    caughtBy: ["test/core/executor/Sandbox.test.ts"]
  },
  {
    name: "a sealed step sees the name of its machine",
    file: "core/executor/Sandbox.ts",
    find: '  "/etc/hostname": FrameworkFiles.etcFile("hostname"),\n',
    replace: "",
    caughtBy: [programs, "test/core/executor/Sandbox.test.ts"]
  },
  {
    name: "a sealed step sees how it was started",
    file: "core/executor/Sandbox.ts",
    find: `["cmdline", "environ"]`,
    replace: `["environ"]`,
    caughtBy: [programs, "test/core/executor/Sandbox.test.ts"]
  },
  {
    name: "a sealed step sees the home folder",
    file: "core/executor/Sandbox.ts",
    find: "  ...reached(walls, env),\n",
    replace: `  ...reached(walls, env),\n  ...["--ro-bind", homedir(), homedir()],\n`,
    caughtBy: [programs]
  },
  {
    name: "a project whose programs are on PATH is open to sealed steps",
    file: "core/executor/Sandbox.ts",
    find: "[homedir(), process.cwd()].some",
    replace: "[homedir()].some",
    caughtBy: ["test/core/executor/Sandbox.test.ts"]
  },
  {
    name: "a step has the variables of whoever runs it",
    file: "core/executor/ChildProcess.ts",
    find: "    ...Object.fromEntries(set),",
    replace: "    ...process.env,",
    caughtBy: [programs, "test/cli/hermetic.test.ts"]
  },
  {
    name: "a step has the locale of whoever runs it",
    file: "core/executor/ChildProcess.ts",
    find: '    LC_ALL: "C.UTF-8",\n',
    replace: '    LC_ALL: process.env["LC_ALL"] ?? "C.UTF-8",\n',
    caughtBy: [programs]
  },
  {
    name: "a step has the umask of whoever runs it",
    file: "core/executor/ChildProcess.ts",
    find: "Calls.byUmask(stepUmask, () => begin(stdio))",
    replace: "begin(stdio)",
    caughtBy: [programs]
  },
  {
    name: "outputs may lie within each other",
    file: "core/pipeline/Declaration.ts",
    find: "isIn(each.place, a.place) || isIn(a.place, each.place)",
    replace: "each.place === a.place",
    caughtBy: ["test/core/pipeline/Declaration.test.ts"],
    quick: true
  },
  {
    name: "the order of keys in a module of JSON does not count",
    file: "cache/code/syntax/ModuleSyntax.ts",
    find: 'Digest.ofJson("Json/v1", JSON.stringify(JSON.parse(source)))',
    replace: 'Digest.ofJson("Json/v1", JSON.parse(source))',
    caughtBy: [edits],
    rare: "as modelled"
  },
  {
    name: "the layout of a module of JSON counts",
    file: "cache/code/syntax/ModuleSyntax.ts",
    find: 'Digest.ofJson("Json/v1", JSON.stringify(JSON.parse(source)))',
    replace: 'Digest.ofJson("Json/v1", source)',
    caughtBy: [edits],
    rare: "as modelled"
  },
  {
    name: "what a worker imports does not count",
    file: "cache/code/ModuleClosure.ts",
    find: "for (const target of syntax.imports) yield* follow",
    replace: "for (const target of isNative ? [] : syntax.imports) yield* follow",
    caughtBy: ["test/cache/code/ModuleClosure.test.ts", edits]
  },
  {
    name: "a package that nothing vouches for counts by its version",
    file: "cache/code/Packages.ts",
    find: "const content = files === undefined ? locked : `content ${contentOf(folder, files)}`",
    replace: 'const content = files === undefined ? locked : "content"',
    caughtBy: [edits]
  },
  {
    name: "what systems and tools leave behind counts",
    file: "cache/store/tree/LeftBehind.ts",
    find: 'return leftBehind.has(name) || name.startsWith("._")',
    replace: 'return name.startsWith("._")',
    caughtBy: [edits, "test/regressions/sources.test.ts"]
  },
  {
    name: "what links of a source lead to is not looked at",
    file: "cache/store/Tree.ts",
    find: "return { name, kind: stat.kind, stat, real }",
    replace: 'return { name, kind: "link", stat: undefined, real: link } as const',
    caughtBy: [edits, "test/cache/store/Links.test.ts"]
  },
  {
    name: "stats are believed on every file system",
    file: "cache/store/StatMemo.ts",
    find: " && keepsTimes(file, stat.device, true)",
    replace: "",
    caughtBy: ["test/cache/store/believed.test.ts"],
    quick: true
  },
  {
    name: "times in seconds are believed as fine ones are",
    file: "cache/identity/FileStat.cjs",
    find: "(ctimeMs % 1000 === 0 ? coarseTickMs : tickMs)",
    replace: "tickMs",
    caughtBy: ["test/hostile/filesystems.test.ts"]
  },
  {
    name: "files are remembered while others may have them mapped",
    file: "cache/store/Tree.ts",
    find: "  yield* settle(memo, files)\n",
    replace: "",
    caughtBy: ["test/cache/store/believed.test.ts"],
    quick: true
  },
  {
    name: "a document counts by its value",
    file: "core/pipeline/Document.ts",
    find: "return Digest.ofBytes(handedOn(artifact, bytes))",
    replace: 'return Digest.ofJson("Document/v1", value as never)',
    caughtBy: ["test/core/pipeline/Document.test.ts"],
    quick: true
  },
  {
    name: "a secret that is printed in two pieces is seen",
    file: "core/executor/log/Mask.ts",
    find: "text.length - (piece === undefined ? 0 : begunAtEnd(text, hidden))",
    replace: "text.length",
    caughtBy: ["test/core/executor/log/Mask.test.ts"],
    quick: true
  },
  {
    name: "a secret is seen in what a step fails with",
    file: "core/run/Runner.ts",
    find: "reason: Mask.inText(stage.secrets, reason)",
    replace: "reason",
    caughtBy: ["test/cli/secrets.test.ts"]
  },
  {
    name: "a step is given the path of its private folder",
    file: "core/executor/walls/ModuleWalls.ts",
    find: "  outputDir: path.relative(folderOf(task), task.outputDir),\n",
    replace: "  outputDir: task.outputDir,\n",
    caughtBy: ["test/cli/hermetic.test.ts"]
  },
  {
    name: "an output may name the folder of one run",
    file: "core/run/step/OwnPath.ts",
    find: "if (piece.includes(sought)) return { isText }",
    replace: "",
    caughtBy: ["test/cli/hermetic.test.ts"]
  },
  {
    name: "results that were made without a sandbox are used where one is required",
    file: "cache/store/ResultStore.ts",
    find: '    if ((yield* OnlySealed) && !isSealed(result.value)) return "unsealed"\n',
    replace: "",
    caughtBy: ["test/core/executor/Sandbox.test.ts"]
  },
  {
    name: "all of the manifest above a sealed module is there",
    file: "core/executor/walls/ModuleWalls.ts",
    find: "writeFileSync(instead, reduced(file))",
    replace: "writeFileSync(instead, readFileSync(file))",
    caughtBy: ["test/cli/hermetic.test.ts"]
  },
  {
    name: "a copy without what a source ignores has it",
    file: "core/executor/walls/LeftOut.ts",
    find: "{ ...options, recursive: true, filter }",
    replace: "{ ...options, recursive: true, filter: () => filter(from) }",
    caughtBy: ["test/regressions/sources.test.ts"]
  },
  {
    name: "Python writes beside the modules of a source",
    file: "core/executor/ChildProcess.ts",
    find: '    PYTHONPYCACHEPREFIX: path.join(path.dirname(task.workdir), "pycache"),\n',
    replace: "",
    caughtBy: ["test/regressions/sources.test.ts"]
  },
  {
    name: "folders on PATH are mounted through links",
    file: "core/executor/Sandbox.ts",
    find: "folders.map((folder) => realpathSync(folder)).filter(",
    replace: "folders.filter(",
    caughtBy: ["test/core/executor/Sandbox.test.ts"]
  },
  {
    name: "a project among the system's folders is hidden where it is run from alone",
    file: "core/executor/Sandbox.ts",
    find: '[project, process.cwd(), "/usr/src"]',
    replace: '[process.cwd(), "/usr/src"]',
    caughtBy: ["test/cli/sandbox.test.ts"]
  },
  {
    name: "a stage may declare something else in its step's process",
    file: "core/executor/TaskRun.ts",
    find: "  yield* checkDeclared(stage, work)\n",
    replace: "",
    caughtBy: ["test/core/executor/TaskRun.test.ts"],
    quick: true
  },
  {
    name: "programs that a stage names do not count",
    file: "core/plan/Ingredients.ts",
    find: "  ...programsIn(prepared.programs.get(declaredId(step)))\n",
    replace: "",
    caughtBy: ["test/regressions/programs.test.ts"],
    quick: true
  },
  {
    name: "a script counts without its interpreter",
    file: "cache/code/Programs.ts",
    find: "next = file === undefined ? undefined : interpreterIn(firstLine(file))",
    replace: "next = undefined",
    caughtBy: ["test/regressions/programs.test.ts"],
    quick: true
  },
  {
    name: "a program that is replaced while the step runs counts as it was",
    file: "core/run/step/Unchanged.ts",
    find: '    if (program !== undefined) return yield* changed(step, `program ${program}`, "while the step ran")\n',
    replace: "",
    caughtBy: ["test/regressions/programs.test.ts"],
    quick: true
  },
  {
    name: "a record may have entries below a link",
    file: "cache/store/ResultStore.ts",
    find: "(above !== parent && !folders.has(above))",
    replace: "(above !== parent && false)",
    caughtBy: ["test/cache/store/ResultStore.test.ts"],
    quick: true
  },
  {
    name: "a record may lead out of its folder",
    file: "cache/store/ResultStore.ts",
    find: ' || name === ".." || ',
    replace: " || ",
    caughtBy: ["test/cache/store/ResultStore.test.ts"]
  },
  {
    name: "a named pipe in the place of a record fails the step",
    file: "cache/store/Commit.ts",
    find: '({ code }) => code === "EINVAL"',
    replace: '({ code }) => code === "none"',
    caughtBy: ["test/cli/trust.test.ts"]
  },
  {
    name: "code is kept where others can write",
    file: "core/start/start.cjs",
    find: "if (me === undefined || (lstatSync(start).mode & 0o022) === 0) return",
    replace: "if (true) return",
    caughtBy: ["test/cli/trust.test.ts"]
  },
  {
    name: "a step goes on when op-pipe is killed",
    file: "core/executor/ChildProcess.ts",
    find: "read -r _ <&${descriptor}; kill -KILL 0",
    replace: "read -r _ <&${descriptor}",
    caughtBy: ["test/cli/signals.test.ts"]
  },
  {
    name: "a sealed module finds every package that is installed",
    file: "core/executor/walls/ModuleWalls.ts",
    find: "...work.packages, ",
    replace: "...work.packages.map((each) => each.replace(/(.*node_modules).*/u, '$1')), ",
    caughtBy: ["test/cli/packages.test.ts"]
  },
  {
    name: "a sealed module finds no package that only an unasked module imports",
    file: "cache/code/CodeIdentity.ts",
    find: "[...collected.places, ...along.packages]",
    replace: "[...collected.places]",
    caughtBy: ["test/cli/packages.test.ts"]
  },
  {
    name: "a closed terminal ends op-pipe alone",
    file: "cli/Signals.ts",
    find: '"SIGTERM", "SIGHUP",',
    replace: '"SIGTERM",',
    caughtBy: ["test/cli/signals.test.ts"]
  },
  {
    name: "the time of a use that cannot be noted fails the step",
    file: "cache/store/disk/Calls.ts",
    find: '!["EPERM", "EACCES"].includes(',
    replace: '!["none"].includes(',
    caughtBy: ["test/cli/sharing.test.ts"]
  },
  {
    name: "two containers build outputs in one place",
    file: "core/run/Materialize.ts",
    find: "const name = `${ownPrefix}${randomUUID()}`",
    replace: 'const name = randomUUID().slice(0, 0) + "one"',
    caughtBy: ["test/cli/sharing.test.ts"]
  },
  {
    name: "a pipeline compares with another's last results",
    file: "cache/store/Layout.ts",
    find: 'pipeline === "" ? [] : [`@${encodeURIComponent(pipeline)}`]',
    replace: "[]",
    caughtBy: ["test/cli/apart.test.ts"]
  },
  {
    name: "a collection looks at the last results of no pipeline",
    file: "cache/store/Gc.ts",
    find: 'if (kind === "folder") files.push(',
    replace: 'if (kind === "link") files.push(',
    caughtBy: ["test/cli/apart.test.ts"]
  },
  {
    name: "files of other bytes are the same to diff",
    file: "cli/verbs/diff.ts",
    find: "if (one.digest === other.digest)",
    replace: "if (one.kind === other.kind)",
    caughtBy: ["test/cli/diff.test.ts"]
  },
  {
    name: "a resumed step tells the time of its last piece",
    file: "core/run/StepRun.ts",
    find: "durationMs: earlierMs + durationMs",
    replace: "durationMs",
    caughtBy: ["test/regressions/processes.test.ts"]
  },
  {
    name: "what a step throws ends the run",
    file: "core/run/Runner.ts",
    find: "    Effect.catch((error) => {\n      failures.push(error)",
    replace:
      "    Effect.tapError((error) => Effect.die(error)),\n    Effect.catch((error) => {\n      failures.push(error)",
    caughtBy: ["test/cli/keepGoing.test.ts"]
  },
  {
    name: "exact copies are not looked for",
    file: "stages/lib/duplicates/NearDuplicates.ts",
    find: "  const twins = twinsOf(items)\n",
    replace: "  const twins = twinsOf([])\n",
    caughtBy: [splitting]
  },
  {
    name: "a copy need not stand out from what is alike in its set",
    file: "stages/lib/duplicates/CopyRules.ts",
    find: "residual < surely || residual < share * ordinary",
    replace: "residual < surely || residual < share * noAgreement",
    caughtBy: ["test/stages/lib/duplicates/NearDuplicates.test.ts"]
  },
  {
    name: "a step whose program is missing has the result of a step that names none",
    file: "core/plan/Freshness.ts",
    find: "if (missingOf(prepared, step) !== undefined) return unknown",
    replace: "",
    caughtBy: ["test/cli/stray.test.ts"]
  },
  {
    name: "a network is recommended where chance may explain what it has",
    file: "stages/lib/report/sections/Findings.ts",
    find: "mayBeChance(metrics) ? undefined : favours(accuracy)",
    replace: "favours(accuracy)",
    caughtBy: ["test/stages/lib/report/sections/Findings.test.ts"]
  },
  {
    name: "a network that is right about all of a few images is so for certain",
    file: "stages/lib/statistics/Groups.ts",
    find: "high - low > point ?",
    replace: "high - low > -1 ?",
    caughtBy: ["test/stages/lib/statistics/Groups.test.ts"]
  },
  {
    name: "train and test with images right in them are two classes",
    file: "stages/lib/dataset/ImageListing.ts",
    find: 'splits.size < 2 || splits.has(undefined) || !splits.has("train")',
    replace: "splits.size < 4",
    caughtBy: [splitting]
  },
  {
    name: "a network is recommended that has learned nothing",
    file: "stages/lib/report/sections/Findings.ts",
    find: "accuracy.low95 > constant.share",
    replace: "accuracy.low95 > 0",
    caughtBy: ["test/stages/lib/report/sections/Findings.test.ts"]
  },
  {
    name: "Grad-CAM weighs channels by their first place alone",
    file: "stages/lib/network/GradCam.ts",
    find: "weights[i % channels]! += gradient[i]! / (size * size)",
    replace: "weights[i % channels]! += i < channels ? gradient[i]! : 0",
    caughtBy: ["test/stages/lib/network/GradCam.test.ts"]
  },
  {
    name: "a map of what speaks for a class is stretched over the image",
    file: "stages/lib/network/GradCam.ts",
    find: "from += step * ((kernel - 1) / 2 - padBefore)",
    replace: "from += 0 * kernel * padBefore",
    caughtBy: ["test/stages/lib/network/GradCam.test.ts"]
  },
  {
    name: "losses are compared at the temperature of the training",
    file: "stages/lib/statistics/Losses.ts",
    find: "logits.map((z) => z / temperature)",
    replace: "logits.map((z) => (temperature > 0 ? z : 0))",
    caughtBy: ["test/stages/lib/statistics/Losses.test.ts"]
  },
  {
    name: "the first figure's intervals know nothing of seeds",
    file: "stages/lib/statistics/OverSeeds.ts",
    find: "Math.hypot(seeds, images)",
    replace: "images",
    caughtBy: ["test/stages/lib/statistics/Headline.test.ts"]
  },
  {
    name: "every profile has the seeds of the default one",
    file: "core/pipeline/Pipeline.ts",
    find: "declaredSeeds[profile]! : 1",
    replace: "declaredSeeds[profile]! : (Object.values(declaredSeeds)[0] ?? 1)",
    caughtBy: ["test/core/pipeline/many/Seeds.test.ts"]
  },
  {
    name: "many are read in the order in which they were wired",
    file: "core/run/step/Inputs.ts",
    find: "  for (const each of Object.values(entries)) each.sort((a, b) => Order.compare(a.name, b.name))\n",
    replace: "",
    caughtBy: ["test/cli/many.test.ts"]
  },
  {
    name: "outputs of branches that are no more stay",
    file: "core/run/outputs/BranchFolders.ts",
    find: "    if (kept.has(name)) continue\n",
    replace: "    if (kept.size < 99) continue\n",
    caughtBy: [many]
  },
  {
    name: "a branch reads the whole source",
    file: "core/plan/Prepared.ts",
    find: "if (part === undefined) return sources.get(port.owner.name)",
    replace: 'if (part === undefined || part.type === "source") return sources.get(port.owner.name)',
    caughtBy: [many]
  },
  {
    name: "the name of a branch is in no key",
    file: "core/plan/Prepared.ts",
    find: "{ ...steps[branch.of], ...branch.params }",
    replace: "{ ...steps[branch.of] }",
    caughtBy: [many]
  },
  {
    name: "what reads many goes on without a branch that failed",
    file: "core/run/Runner.ts",
    find: `    if (outcome?.state === "failed") return { state: "incomplete", because: id } satisfies Outcome\n`,
    replace: "",
    caughtBy: [many]
  },
  {
    name: "a removed entry is known by its branch of before",
    file: "core/plan/many/Branches.ts",
    find: "prepared.parts.set(port, part)",
    replace: "if (prepared.parts.size === 0) prepared.parts.set(port, part)",
    caughtBy: [many]
  },
  {
    name: "the report shows mistakes of the network with BN alone",
    file: "stages/lib/report/Mistakes.ts",
    find: "!bn.right || !nobn.right",
    replace: "!bn.right",
    caughtBy: ["test/stages/compare.test.ts"]
  },
  {
    name: "a matrix of a thousand classes has a mark for each cell",
    file: "stages/lib/report/drawings/Confusion.ts",
    find: "export const mostNamed = 60",
    replace: "export const mostNamed = 6000",
    caughtBy: ["test/stages/lib/report/drawings/Confusion.test.ts"]
  },
  {
    name: "a class's name becomes a formula in a table",
    file: "stages/lib/report/rows/Csv.ts",
    find: "formula.test(value)",
    replace: "value === undefined",
    caughtBy: ["test/stages/lib/report/rows/Csv.test.ts"]
  },
  {
    name: "what scrolls in the report has no name",
    file: "stages/lib/report/Html.ts",
    find: 'role="group" aria-labelledby="${id}-number"',
    replace: 'role="img"',
    caughtBy: ["test/stages/compare.test.ts"]
  },
  {
    name: "confidence falls into the bin above",
    file: "stages/lib/statistics/scores/Metrics.ts",
    find: "Math.ceil(confidence * bins) - 1",
    replace: "Math.floor(confidence * bins + 0.5) - 1",
    caughtBy: ["test/stages/lib/statistics/Recompute.test.ts"]
  },
  {
    name: "as many pairs are aligned as there are neighbours",
    file: "stages/lib/duplicates/NearDuplicates.ts",
    find: "const mostPairs = 50_000\n",
    replace: "const mostPairs = 50_000_000\n",
    caughtBy: ["test/stages/lib/duplicates/NearDuplicates.test.ts"]
  },
  {
    name: "parameters of a command are not settled",
    file: "core/plan/Settings.ts",
    find: "      command.own === undefined &&\n",
    replace: "",
    caughtBy: ["test/cli/parameters.test.ts"]
  },
  {
    name: "what is optional does not count",
    file: "core/plan/Ingredients.ts",
    find: "return outputOf(prepared, port, results)?.digest ?? (isAbsent",
    replace: "return (port.artifact.optional ? undefined : outputOf(prepared, port, results)?.digest) ?? (isAbsent",
    caughtBy: ["test/cli/optional.test.ts"]
  },
  {
    name: "a second result that lacks an output is taken to be the same",
    file: "core/run/StepRun.ts",
    find: "Object.keys({ ...before.outputs, ...outputs })",
    replace: "Object.keys(outputs)",
    caughtBy: ["test/cli/optional.test.ts"]
  },
  {
    name: "of pooling windows that overlap, the last alone passes a gradient",
    file: "engine/native/src/windows.inc",
    find: "load(out + j * n) + (place == line + j ? g : (vf){})",
    replace: "place == line + j ? g : (vf){}",
    caughtBy: ["test/engine/windows.test.ts"]
  },
  {
    name: "the checkpoint of the epochs before a divergence is cut off",
    file: "stages/train.ts",
    find: "      Effect.tapError(() => (saving === undefined ? Effect.void : Effect.ignore(Fiber.join(saving)))),\n",
    replace: "",
    caughtBy: ["test/stages/train.test.ts"]
  },
  {
    name: "a layer that makes a training slow is not told",
    file: "stages/train.ts",
    find: "      if (Option.isSome(run.trainer.notice)) yield* context.notice(run.trainer.notice.value)\n",
    replace: "",
    caughtBy: ["test/stages/train.test.ts"]
  },
  {
    name: "limits of a command count",
    file: "core/plan/Ingredients.ts",
    find: "[howOf(stage)]: commandFormat",
    replace: "[howOf(stage)]: commandFormat + JSON.stringify(stage.limits)",
    caughtBy: ["test/cli/attempts.test.ts"]
  },
  {
    name: "a copy of fewer pixels is compared with all detail of its original",
    file: "stages/lib/duplicates/Resolution.ts",
    find: "(pitch(other) ** 2 - pitch(own) ** 2) / 4",
    replace: "0",
    caughtBy: ["test/stages/lib/duplicates/Resolution.test.ts"]
  },
  {
    name: "a split at random does not tell the groups that it divides",
    file: "stages/split.ts",
    find: "(atRandom ? groups : duplicates).filter(spans)",
    replace: "duplicates.filter(spans)",
    caughtBy: [splitting]
  },
  {
    name: "a dim image of a set is read by its own range",
    file: "stages/augment.ts",
    find: "preparationOf(params, manifest)",
    replace: "preparationOf(params, {})",
    caughtBy: ["test/stages/augment.test.ts"]
  },
  {
    name: "twelve bits in sixteen are read as sixteen",
    file: "stages/lib/images/DeepLevels.ts",
    find: "[255, 1023, 4095, 16_383, 65_535,",
    replace: "[255, 65_535,",
    caughtBy: ["test/stages/lib/images/DeepLevels.test.ts"]
  },
  {
    name: "a download is believed by its name",
    file: "cache/remote/Pull.ts",
    find: "if (Option.isNone(found) || found.value.hashed.digest !== digest) return",
    replace: "if (Option.isNone(found)) return",
    caughtBy: [remote]
  },
  {
    name: "a large record is believed by its name",
    file: "cache/remote/Pull.ts",
    find: "if (Option.isNone(found) || Digest.ofBytes(found.value) !== file.digest) return",
    replace: "if (Option.isNone(found)) return",
    caughtBy: [remote]
  },
  {
    name: "what is in a pack is believed",
    file: "cache/remote/Pull.ts",
    find: "      if (Digest.ofBytes(bytes) !== digest) return yield* new Damaged()\n",
    replace: "",
    caughtBy: [remote]
  },
  {
    name: "an entry of a shared cache is uploaded before what it names",
    file: "cache/remote/Push.ts",
    find: "  const packed = yield*",
    replace:
      '  yield* Effect.forkChild(engine.put("ac", result.key, new Uint8Array()))\n  yield* Effect.sleep(50)\n  const packed = yield*',
    caughtBy: [remote]
  },
  {
    name: "a signature is believed, whoever made it",
    file: "cache/remote/format/Signature.ts",
    find: "trust.includes(publicKey) ? toPublicKey",
    replace: "isPublicKey(publicKey) ? toPublicKey",
    caughtBy: [remote, "test/cache/remote/Signature.test.ts"]
  },
  {
    name: "a signature holds for any key",
    file: "cache/remote/format/Signature.ts",
    find: `["op-pipe/record/v1", key, Digest.ofBytes(record)]`,
    replace: `["op-pipe/record/v1", key.slice(64), Digest.ofBytes(record)]`,
    caughtBy: ["test/cache/remote/Signature.test.ts"],
    quick: true
  },
  {
    name: "a record of another key is taken",
    file: "cache/remote/Pull.ts",
    find: "if (result?.key !== key) return",
    replace: "if (result === undefined) return",
    caughtBy: [remote]
  },
  {
    name: "results are uploaded though nobody asked for that",
    file: "cache/remote/Connect.ts",
    find: "this.isWriting = checked.settings.write === true",
    replace: "this.isWriting = true",
    caughtBy: [remote]
  },
  {
    name: "a connection that was cut is not tried again",
    file: "cache/remote/engine/Patient.ts",
    find: "times: 2,",
    replace: "times: 0,",
    caughtBy: [remote]
  },
  {
    name: "a result without a sandbox is taken where one is required",
    file: "cache/remote/Pull.ts",
    find: "if ((yield* OnlySealed) && result.provenance.sealed !== true) return",
    replace: "if ((yield* OnlySealed) && result.provenance.sealed === undefined) return",
    caughtBy: [remote]
  },
  {
    name: "a redirection is followed",
    file: "cache/remote/engine/Http.ts",
    find: '      if (status !== 200) return refused("GET", answer)\n',
    replace:
      "      if (status >= 300) return Effect.andThen(Effect.promise(() => fetch(`${answer.response.headers.location}`)), Effect.succeedNone)\n",
    caughtBy: [servers]
  },
  {
    name: "a proxy in the environment is used",
    file: "cache/remote/engine/Http.ts",
    find: "const agentOptions = { keepAlive: true,",
    replace: "const agentOptions = { proxyEnv: process.env, keepAlive: true,",
    caughtBy: [servers]
  },
  {
    name: "a server that cannot be asked first gets no large file",
    file: "cache/remote/engine/Http.ts",
    find: "if (error.status !== expectationFailed || !isAsking) return",
    replace: "return",
    caughtBy: [servers]
  },
  {
    name: "downloads are not on the disk when their record is",
    file: "cache/store/Commit.ts",
    find: "  yield* disk.settle(files.map(([from]) => [from, device]))\n",
    replace: "",
    caughtBy: ["test/cache/remote/Pull.test.ts"],
    quick: true
  },
  {
    name: "an outcome belongs to any submission of its key",
    file: "core/executor/remote/Job.ts",
    find: "outcome: (token: string): string => `outcome-${token}.json`",
    replace: 'outcome: (_: string): string => "outcome.json"',
    caughtBy: [waiting]
  },
  {
    name: "an outcome is looked for before a list has shown it",
    file: "core/executor/remote/Waiting.ts",
    find: "if (names.includes(Job.files.outcome(job.token))) {",
    replace: "if (yield* (yield* Disk).exists(path.join(job.folder, Job.files.outcome(job.token)))) {",
    caughtBy: [waiting]
  },
  {
    name: "a result is recorded of a job that left no outcome",
    file: "core/executor/remote/Waiting.ts",
    find: ">= unseenMs) return yield* fromEnd(wait, seen)",
    replace:
      '>= unseenMs) return { type: "done" as const, host: "", node: "", startedMs: 0, durationMs: 0, loaded: {}, sealed: true, outputs: {} }',
    caughtBy: [waiting]
  },
  {
    name: "a job waits for that of another store",
    file: "core/executor/remote/Job.ts",
    find: "-${Digest.ofText(root).slice(0, 8)}`",
    replace: "-${Digest.ofText(root.slice(0, 0)).slice(0, 8)}`",
    caughtBy: ["test/core/executor/remote/Job.test.ts"],
    quick: true
  },
  {
    name: "a job is known by its number alone",
    file: "core/executor/remote/Watch.ts",
    find: "return seen?.token === undefined || seen.token === token ? seen : undefined",
    replace: "return token === undefined ? undefined : seen",
    caughtBy: [waiting]
  },
  {
    name: "the cluster is asked for each job",
    file: "core/executor/remote/Watch.ts",
    find: "if (!answers.isAsking && Date.now() >= answers.nextMs) {",
    replace: "if (!answers.isAsking) {",
    caughtBy: [waiting]
  },
  {
    name: "a machine does a step whatever it is like",
    file: "core/run/job/Worker.ts",
    find: "differences.length > 0 ? refused",
    replace: "differences.length > 99 ? refused",
    caughtBy: [cluster]
  },
  {
    name: "what a step read is not looked at again after a job",
    file: "core/run/StepRun.ts",
    find: "  yield* Unchanged.checkUnchanged(prepared, step, key, executed)",
    replace: "  if (executed.elsewhere === undefined) yield* Unchanged.checkUnchanged(prepared, step, key, executed)",
    caughtBy: [cluster]
  },
  {
    name: "a run that is ended leaves its jobs",
    file: "core/executor/remote/JobExecutor.ts",
    find: "    Effect.onInterrupt(() => Effect.ignore(leave)),\n",
    replace: "",
    caughtBy: [cluster]
  },
  {
    name: "a job that may have read other sources is waited for",
    file: "core/executor/remote/JobExecutor.ts",
    find: "submission?.seen === seen",
    replace: "submission !== undefined && seen !== undefined",
    caughtBy: [cluster]
  },
  {
    name: "outputs are taken as the pipeline declares them by then",
    file: "core/run/job/Worker.ts",
    find: "if (step !== undefined && changed === undefined) return step",
    replace: "if (step !== undefined) return step",
    caughtBy: [cluster]
  },
  {
    name: "a lease is taken over although its owner gives signs of life",
    file: "cache/store/lock/Lease.ts",
    find: "quietMs > staleMs",
    replace: "quietMs >= 0",
    caughtBy: ["test/cache/store/lock/Lease.test.ts"],
    quick: true
  },
  {
    name: "a run without --on takes no lease where the store is shared",
    file: "core/run/StepRun.ts",
    find: "if (elsewhere === undefined && !(yield* Shared.isShared(layout))) return",
    replace: "if (elsewhere === undefined) return",
    caughtBy: ["test/cli/sharing.test.ts"]
  },
  {
    name: "a lease that was held for long is collected",
    file: "cache/store/lock/Lease.ts",
    find: " && (!isLease || isOld(path.basename(signOf(leases, processIn(content)))))",
    replace: "",
    caughtBy: ["test/cache/store/lock/Lease.test.ts"],
    quick: true
  },
  {
    name: "an outcome that a run may still take is collected",
    file: "cache/store/gc/Left.ts",
    find: "(isOver && (keys.has(key) || atMs < oldestMs))",
    replace: "isOver",
    caughtBy: ["test/cache/store/gc/Left.test.ts"],
    quick: true
  },
  {
    name: "what the cluster may take later counts as refused",
    file: "core/executor/remote/slurm/Said.ts",
    find: "refusals.test(said) : meaning.isPassing !== true",
    replace: "refusals.test(said) : true",
    caughtBy: ["test/core/executor/remote/slurm/Slurm.test.ts"],
    quick: true
  },
  {
    name: "a step of an allocation has failed when its machine was lost",
    file: "core/executor/remote/slurm/States.ts",
    find: "  if (isAboutLoss(ofSlurm(printed))) return { isLost: true, reason: `the machine of its job was lost${words}` }\n",
    replace: "",
    caughtBy: ["test/core/executor/remote/slurm/States.test.ts"],
    quick: true
  },
  {
    name: "those who write one checkpoint write it aside under one name",
    file: "core/executor/TaskRun.ts",
    find: "`${file}.${randomUUID()}.new`",
    replace: "`${file}${randomUUID().slice(36)}.new`",
    caughtBy: ["test/core/executor/TaskRun.test.ts"],
    quick: true
  },
  {
    name: "esbuild's process stays when the bundles are made",
    file: "core/start/esbuild.mjs",
    find: "await esbuild.stop()",
    replace: "await undefined",
    caughtBy: ["test/core/start/bundle.test.ts"]
  },
  {
    name: "the folder of bundles is looked through but once",
    file: "core/start/bundle.mjs",
    find: "exists(marker) && ageOf(marker) < hourMs",
    replace: "exists(marker)",
    caughtBy: ["test/core/start/bundle.test.ts"]
  },
  {
    name: "each of many processes makes a bundle of its own",
    file: "core/start/bundle.mjs",
    find: "const end = await turn(folder)",
    replace: "const end = () => {}",
    caughtBy: ["test/core/start/bundle.test.ts"]
  },
  {
    name: "what is made in a group's folder is its owner's alone",
    file: "cache/store/disk/Calls.ts",
    find: "    if (isShared) fs.chmodSync(path, fs.statSync(path).mode | 0o020)\n",
    replace: "",
    caughtBy: ["test/cli/sharing.test.ts"]
  },
  {
    name: "what a step finds was made by the user's umask",
    file: "cache/store/Disk.ts",
    find: "umask === undefined ? Calls.makeFolder(path) : Calls.byUmask(umask, () => Calls.makeFolder(path))",
    replace: "Calls.makeFolder(path)",
    caughtBy: ["test/cli/sharing.test.ts"]
  },
  {
    name: "a step's folder is the group's, as its store is",
    file: "core/run/StepRun.ts",
    find: "  yield* disk.setMode(workdir, 0o777 & ~stepUmask)\n",
    replace: "",
    caughtBy: ["test/cli/sharing.test.ts"]
  },
  {
    name: "what cannot be read in a step's outputs stands in the way of the run",
    file: "core/plan/OutputFolder.ts",
    find: "if (Result.isFailure(snapshot)) return Option.some(snapshot.failure.message)",
    replace: "if (Result.isFailure(snapshot)) return yield* snapshot.failure",
    caughtBy: ["test/core/run/Materialize.test.ts"]
  },
  {
    name: "programs that steps may start are looked for once and for all",
    file: "core/executor/Sandbox.ts",
    find: "performance.now() - last.atMs < believedMs",
    replace: "found.atMs < Number.POSITIVE_INFINITY",
    caughtBy: ["test/core/executor/Sandbox.test.ts"]
  }
]
