import { describe, expect, it } from 'vitest';
import { renderTemplate } from '../../../src/apis/networking/host-template.ts';
import { networkConfig, networkFault } from '../../../src/apis/networking/network-config.ts';

const VALUES = {
  Name: 'web',
  Namespace: 'shop',
  Domain: 'example.com',
  Labels: { team: 'red' },
  Annotations: { sub: 'eu' },
};

describe('config-network: domain-template', () => {
  it.each([
    ['{{.Name}}.{{.Namespace}}.{{.Domain}}', 'web.shop.example.com'],
    ['{{.Name}}-{{.Namespace}}.{{.Domain}}', 'web-shop.example.com'],
    ['{{ .Name }}.{{ index .Annotations "sub" }}.{{ .Domain }}', 'web.eu.example.com'],
    ['{{.Name}}.{{index .Labels `team`}}.{{.Domain}}', 'web.red.example.com'],
    ['{{.Name}}.{{.Labels.team}}.{{.Domain}}', 'web.red.example.com'],
    ['{{.Name}}{{index .Labels "toString"}}.{{.Domain}}', 'web.example.com'],
    ['{{.Name}} {{- /* */ -}} .x', undefined],
    ['{{.Name}} {{- .Domain -}} .x', 'webexample.com.x'],
  ])('%s makes %s', (template, host) => {
    const data = { 'domain-template': template };
    if (host === undefined) expect(networkFault(data)).toContain('{{/* */}} is not taken here');
    else expect(renderTemplate(networkConfig(data).domainTemplate, VALUES)).toBe(host);
  });

  it.each([
    ['{{.Name}', 'template: domain-template:1: unclosed action'],
    [
      'a.{{.Tag}}',
      'template: domain-template:1:4: executing "domain-template" at <.Tag>: can\'t evaluate field Tag in type config.DomainTemplateValues',
    ],
    [
      '{{if eq .Namespace "x"}}a{{end}}',
      'template: domain-template: {{if eq .Namespace "x"}} is not taken here; {{.Name}}, {{.Namespace}}, {{.Domain}}, {{index .Annotations "key"}}, {{index .Labels "key"}} are',
    ],
    ['{{.Domain}}/{{.Name}}', 'domain template has url path: /foo'],
    ['{{index .Labels "x"}}', 'empty hostname'],
  ])('%s is refused: %s', (template, fault) => {
    expect(networkFault({ 'domain-template': template })).toBe(fault);
  });
});

describe('config-network', () => {
  it('names tags by its tag-template, under its former key, too', () => {
    const { tagTemplate } = networkConfig({ tagTemplate: '{{.Name}}--{{.Tag}}' });
    expect(renderTemplate(tagTemplate, { Name: 'web', Tag: 'v2' })).toBe('web--v2');
    expect(networkFault({ 'tag-template': '{{.Namespace}}' })).toContain('in type config.TagTemplateValues');
  });

  it.each([
    [{ 'http-protocol': 'Maybe' }, 'httpProtocol Maybe in config-network ConfigMap is not supported'],
    [
      { 'rollout-duration': 'soon' },
      'failed to parse "rollout-duration": strconv.Atoi: parsing "soon": invalid syntax',
    ],
    [{ 'rollout-duration': '-1' }, 'rollout-duration must be a positive integer, but was -1'],
    [{ 'autocreate-cluster-domain-claims': 'on' }, 'strconv.ParseBool: parsing "on": invalid syntax'],
    [
      { 'system-internal-tls': 'on' },
      'system-internal-tls with value: "on" in config-network ConfigMap is not supported',
    ],
  ])('%j is refused', (data, fault) => {
    expect(networkFault(data)).toBe(fault);
  });

  it('says what it says, and what upstream ships where it is silent, but for claims', () => {
    expect(networkConfig({})).toMatchObject({
      httpProtocol: 'Enabled',
      externalScheme: 'http',
      isExternalTls: false,
      createsClaims: true,
      rolloutDurationMs: 0,
    });
    const data = {
      'http-protocol': 'redirected',
      'default-external-scheme': 'https',
      'external-domain-tls': 'Enabled',
      'autocreate-cluster-domain-claims': 'false',
      'rollout-duration': '5',
    };
    expect(networkConfig(data)).toMatchObject({
      httpProtocol: 'Redirected',
      externalScheme: 'https',
      isExternalTls: true,
      createsClaims: false,
      rolloutDurationMs: 5000,
    });
  });
});
