import { expect, it } from 'vitest';
import { targetOf } from '../../../src/dispatcher/delivery/target.ts';

it('sends user info as Basic credentials and shows it nowhere', () => {
  expect(targetOf('https://mary:p%40ss@mailer.test:8443/in?x=1#top')).toEqual({
    origin: 'https://mailer.test:8443',
    path: '/in?x=1',
    shown: 'https://mailer.test:8443/in?x=1',
    authorization: `Basic ${Buffer.from('mary:p@ss').toString('base64')}`,
  });
});

it('takes a lone percent sign in user info as it stands', () => {
  const { authorization = '' } = targetOf('http://a:100%@mailer.test/');
  expect(Buffer.from(authorization.slice(6), 'base64').toString()).toBe('a:100%');
});

it('has no credentials without user info', () => {
  expect(targetOf('http://mailer.test').authorization).toBeUndefined();
});
