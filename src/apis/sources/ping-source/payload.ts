/** Why a text is not the JSON object that is asked for, in the words of Go's encoding/json; undefined when it is one. */
export function jsonObjectFault(text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return syntaxFault(text);
  }
  if (typeof value === 'object' && !Array.isArray(value)) return undefined;
  const what = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  return `json: cannot unmarshal ${what} into Go value of type map[string]interface {}`;
}

function syntaxFault(text: string): string {
  const trimmed = text.trimStart();
  const first = trimmed.charAt(0);
  if (first !== '' && !/[[{"\d\-tfn]/.test(first))
    return `invalid character '${first}' looking for beginning of value`;
  const isCut = first === '' || /[{[]$|[,:]\s*$/.test(trimmed) || !/[}\]"\w]\s*$/.test(trimmed);
  return isCut ? 'unexpected end of JSON input' : 'invalid JSON';
}

/** Why a text is not base64, in the words of Go's encoding/base64; undefined when it is. Line ends are passed over. */
export function base64Fault(text: string): string | undefined {
  const illegal = /[^A-Za-z0-9+/=\r\n]/.exec(text)?.index;
  if (illegal !== undefined) return `illegal base64 data at input byte ${illegal}`;
  const digits = text.replaceAll(/[\r\n]/g, '');
  const isWhole = digits.length % 4 === 0 && /^[^=]*={0,2}$/.test(digits);
  return isWhole ? undefined : `illegal base64 data at input byte ${Math.max(0, text.length - 1)}`;
}
