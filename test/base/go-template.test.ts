import { describe, expect, it } from 'vitest';
import { parseGoTemplate, renderGoTemplate } from '../../src/base/go-template.ts';

const VALUES = {
  A: { Name: `O'Neil <"&">\n`, N: 0.25, Many: { 'X-One': ['1', '2'], Two: ['3'] } },
  Top: 'top',
};
const knows = (path: readonly string[]): boolean =>
  ['A.Name', 'A.N', 'A.Many', 'Top'].includes(path.join('.'));

const rendered = (text: string): string => {
  const parsed = parseGoTemplate('line', text, knows);
  return 'fault' in parsed ? parsed.fault : renderGoTemplate(parsed, VALUES);
};

describe('a template', () => {
  it.each([
    ['plain } text', 'plain } text'],
    ['{{.Top}}-{{ .A.N }}', 'top-0.25'],
    ['a  {{- .Top -}}  b', 'atopb'],
    ['a{{/* said of it */}}b', 'ab'],
    ['{{js .A.Name}}', `O\\'Neil \\u003C\\"\\u0026\\"\\u003E\\u000A`],
    ['{{.A.Name | html}}', 'O&#39;Neil &lt;&#34;&amp;&#34;&gt;\n'],
    ['{{urlquery "a b&(c)"}}', 'a+b%26%28c%29'],
    ['{{index .A.Many "X-One"}}{{index .A.Many `None`}}', '[1 2][]'],
    ['{{index .A.Many "X-One" 1}}', '2'],
    ['{{len .Top}}{{print .Top "!" 3}}', '3top!3'],
    ['{{"a\\tb"}}', 'a\tb'],
  ])('%s is %j', (text, expected) => {
    expect(rendered(text)).toBe(expected);
  });

  it.each([
    ['{{ something }}', 'template: line:1: function "something" not defined'],
    ['\n{{.Nobody}}', 'template: line:2: <.Nobody>: there is no such field here'],
    ['{{.Top', 'template: line:1: unclosed action'],
    ['{{}}', 'template: line:1: missing value for command'],
    ['{{if .Top}}x{{end}}', 'template: line:1: {{if}} is not taken here'],
    ['{{.Top .Top}}', 'template: line:1: {{.Top .Top}} is not taken here'],
    ['{{$x}}', 'template: line:1: unexpected "$" in operand'],
    ['{{index .Top}}', 'template: line:1: index of untyped nil'],
  ])('%s is refused', (text, why) => {
    expect(rendered(text)).toContain(why);
  });
});
