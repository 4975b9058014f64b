/** `$(NAME)` in a command, an argument or a value is that variable, `$$(NAME)` is `$(NAME)`, an unknown one stays (Kubernetes). */
export function expanded(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)$]*)\)/g, (all, name: string | undefined) =>
    name === undefined ? '$' : (env[name] ?? all),
  );
}
