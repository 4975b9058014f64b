import { describe, expect, it } from 'vitest';
import type { WebhookSource } from '../../../src/apis/sources/webhook-source/schema.ts';
import { bodyValuesOf } from '../../../src/sources/webhook/body-values.ts';
import { eventOf } from '../../../src/sources/webhook/event.ts';
import { verify } from '../../../src/sources/webhook/verify.ts';
import { aPlan, aRequest, type Headers } from '../../kit/webhooks.ts';

type Vector = {
  readonly from: string;
  readonly spec: Partial<WebhookSource['spec']>;
  readonly secret: string;
  readonly atSeconds: number;
  readonly headers: Headers;
  readonly body: string;
  readonly event: Readonly<Record<string, string>>;
};

const STRIPE_BODY = `{
  "id": "evt_123",
  "object": "event",
  "account": "acct_123",
  "api_version": "2017-05-25",
  "created": 1533204620,
  "data": {
    "object": {
      "id": "ii_123",
      "object": "invoiceitem",
      "amount": 1000,
      "currency": "usd",
      "customer": "cus_123",
      "date": 1533204620,
      "description": "Test Invoice Item",
      "discountable": false,
      "invoice": "in_123",
      "livemode": false,
      "metadata": {},
      "period": {
        "start": 1533204620,
        "end": 1533204620
      },
      "plan": null,
      "proration": false,
      "quantity": null,
      "subscription": null
    }
  },
  "livemode": false,
  "pending_webhooks": 1,
  "request": {
    "id": "req_123",
    "idempotency_key": "idempotency-key-123"
  },
  "type": "invoiceitem.created"
}
`;
const SLACK_BODY =
  'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
const JSON_TYPE = { 'Content-Type': 'application/json' };
const SVIX_HOW_MANUAL = 'v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=';

/** Each as its service publishes it: nothing of it is computed here. */
const VECTORS: readonly Vector[] = [
  {
    from: "Stripe's own library for .NET (event_test_signature.json, EventUtilityTest)",
    spec: { preset: 'stripe' },
    secret: 'webhook_secret',
    atSeconds: 1_533_204_620 + 100,
    headers: {
      ...JSON_TYPE,
      'Stripe-Signature':
        't=1533204620,v1=f0bdba6d4eacbd8ad8a3bbadd7248e633ec1477f7899c124c51b39405fa36613,v0=63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef',
    },
    body: STRIPE_BODY,
    event: {
      type: 'com.stripe.invoiceitem.created',
      id: 'evt_123',
      time: '2018-08-02T10:10:20Z',
      subject: 'ii_123',
      stripeaccount: 'acct_123',
    },
  },
  {
    from: 'docs.slack.dev, Verifying requests from Slack',
    spec: { preset: 'slack' },
    secret: '8f742231b10e8888abcd99yyyzzz85a5',
    atSeconds: 1_531_420_618 + 60,
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      'X-Slack-Request-Timestamp': '1531420618',
      'X-Slack-Signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    },
    body: SLACK_BODY,
    event: { type: 'com.slack.request', id: 'random', slackteam: 'T1DC2JH3J' },
  },
  {
    from: 'the libraries of Standard Webhooks',
    spec: { preset: 'standard-webhooks' },
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    atSeconds: 1_614_265_330,
    headers: {
      ...JSON_TYPE,
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature':
        'v1,bm9ldHUjKzFob2VudXRob2VodWUzMjRvdWVvdW9ldQo= v2,MzJsNDk4MzI0K2VvdSMjMTEjQEBAQDEyMzMzMzEyMwo= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
    body: '{"test": 2432232314}',
    event: { type: 'dev.millrace.sources.webhook', id: 'msg_p5jXN8AQM9LWM0D4loKWxJek' },
  },
  {
    from: 'docs.svix.com, Verifying webhooks manually',
    spec: { preset: 'svix' },
    secret: 'whsec_plJ3nmyCDGBKInavdOK15jsl',
    atSeconds: 1_731_705_121,
    headers: {
      ...JSON_TYPE,
      'svix-id': 'msg_loFOjxBNrRLzqYUf',
      'svix-timestamp': '1731705121',
      'svix-signature': SVIX_HOW_MANUAL,
    },
    body: '{"event_type":"ping","data":{"success":true}}',
    event: { type: 'dev.millrace.sources.webhook', id: 'msg_loFOjxBNrRLzqYUf' },
  },
  {
    from: 'docs.gitlab.com, Webhooks, delivery headers, and a push event',
    spec: { preset: 'gitlab' },
    secret: 'my-secret-token',
    atSeconds: 0,
    headers: {
      ...JSON_TYPE,
      'User-Agent': 'GitLab/15.5.0-pre',
      'Idempotency-Key': 'a5461c4d-9c7f-4af9-add6-cddebe3c426f',
      'X-Gitlab-Event': 'Push Hook',
      'X-Gitlab-Instance': 'https://gitlab.com',
      'X-Gitlab-Webhook-UUID': '02affd2d-2cba-4033-917d-ec22d5dc4b38',
      'X-Gitlab-Event-UUID': '13792a34-cac6-4fda-95a8-c58e00a3954e',
      'X-Gitlab-Token': 'my-secret-token',
    },
    body: '{"object_kind":"push","ref":"refs/heads/master","project":{"web_url":"http://example.com/mike/diaspora"}}',
    event: {
      type: 'com.gitlab.push',
      id: 'a5461c4d-9c7f-4af9-add6-cddebe3c426f',
      source: 'http://example.com/mike/diaspora',
      gitlabinstance: 'https://gitlab.com',
    },
  },
  {
    from: 'docs.github.com, Validating webhook deliveries',
    spec: { verification: { hmac: { header: 'X-Hub-Signature-256', prefix: 'sha256=' } } },
    secret: "It's a Secret to Everybody",
    atSeconds: 0,
    headers: {
      'Content-Type': 'text/plain',
      'X-Hub-Signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    },
    body: 'Hello, World!',
    event: { type: 'dev.millrace.sources.webhook', id: 'random' },
  },
];

describe.each(VECTORS)('the example of $from', ({ spec, secret, atSeconds, headers, body, event }) => {
  const plan = aPlan(spec);
  const verdict = (changed: string, now = atSeconds) =>
    verify(plan.verification, [{ value: secret }], aRequest(changed, headers), now * 1000).kind;

  it('is believed', () => {
    expect(verdict(body)).toBe('believed');
  });

  it('is not believed with another body, another secret, or long after', () => {
    const { kind } = plan.verification;
    if (kind !== 'token') expect(verdict(`${body} `)).toBe('refused');
    if (kind !== 'token' && kind !== 'hmac') expect(verdict(body, atSeconds + 500)).toBe('refused');
    const other = [{ value: `${secret}x` }];
    expect(verify(plan.verification, other, aRequest(body, headers), atSeconds * 1000).kind).toBe('refused');
  });

  it('becomes an event with the attributes that its mapping promises, and with the same bytes', () => {
    const request = aRequest(body, headers);
    const values = bodyValuesOf(request);
    if ('fault' in values) throw new Error(values.fault);
    const made = eventOf(plan, request, values, 'random');
    expect(Object.fromEntries(made.event.attributes)).toEqual({
      specversion: '1.0',
      source: plan.ownSource,
      ...event,
    });
    expect(Buffer.from(made.event.body).toString()).toBe(body);
    expect(made.event.contentType).toBe(headers['Content-Type']);
  });
});
