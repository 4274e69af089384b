/*
 * Validates state machines with two validators that know nothing of Millrace: `asl-validator` (JSON Schema, JSONata
 * syntax, transitions) and AWS's own `amazon-states-language-service` (JSON Schema, known fields, reachability).
 *
 * One definition a line in; one line out, the list of what they object to. It ends with its input.
 */
"use strict";

const readline = require("node:readline");
const ajv = require("ajv");
const formats = require("ajv-formats");

/** asl-validator compiles its schemas anew for every definition (100 ms each): here one Ajv serves them all. */
function compileOnce() {
  const Ajv = ajv.default;
  let shared;
  ajv.default = function AjvOnce(options) {
    shared ??= formats(new Ajv(options));
    return shared;
  };
  require.cache[require.resolve("ajv-formats")].exports = { __esModule: true, default: (given) => given };
}

/** What asl-validator's schemas do not know of JSONata mode; tests/compiler/test_validators.py lists it with reasons. */
function amendSchemas() {
  const schemas = "asl-validator/dist/src/schemas";
  const jsonata = require(`${schemas}/jsonata.json`).definitions;
  jsonata.jsonata.pattern = "^\\{%[\\s\\S]+%\\}$";
  jsonata.not_jsonata.pattern = "^(?!\\{%)[\\s\\S]*(?<!%\\})$";
  jsonata.output = { $ref: "#/definitions/jsonata_template" };
  jsonata.jsonata_template.oneOf[1].items = { $ref: "#/definitions/jsonata_template" };
  // Each is read once for either query language, and so are the states inside: 2^depth times. Asking for the language
  // first changes no answer.
  for (const name of ["parallel", "map"]) {
    for (const variant of require(`${schemas}/${name}.json`).oneOf) {
      const { QueryLanguage, ...others } = variant.properties;
      variant.properties = { QueryLanguage, ...others };
    }
  }
}

compileOnce();
amendSchemas();
const aslValidator = require("asl-validator");
const { getLanguageService, TextDocument } = require("amazon-states-language-service");
const languageService = getLanguageService({});

async function errorsOf(text) {
  const found = aslValidator(JSON.parse(text)).errors.map((error) => `asl-validator: ${error.Message}`);
  const document = TextDocument.create("machine.asl.json", "asl", 1, text);
  const diagnostics = await languageService.doValidation(document, languageService.parseJSONDocument(document), {});
  for (const { message, range } of diagnostics) {
    found.push(`amazon-states-language-service: ${message} At: ${document.getText(range).slice(0, 200)}`);
  }
  return found;
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    process.stdout.write(`${JSON.stringify(await errorsOf(line))}\n`);
  }
}

main();
