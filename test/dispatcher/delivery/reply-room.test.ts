import { expect, it } from 'vitest';
import { ReplyRoom, type Receiver } from '../../../src/dispatcher/delivery/reply-room.ts';

class Reader implements Receiver {
  isPaused = false;
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
}

it('lets one read on without room, and pauses the others until there is some again', () => {
  const room = new ReplyRoom(10);
  const [first, second, third] = [new Reader(), new Reader(), new Reader()];
  room.took(first, 8);
  room.took(second, 8); // past the room: reads on, alone
  room.took(third, 1);
  room.took(second, 100);
  room.took(first, 1);
  expect([first, second, third].map(({ isPaused }) => isPaused)).toEqual([true, false, true]);
  room.left(second, 108);
  expect([first, second, third].map(({ isPaused }) => isPaused)).toEqual([false, false, false]);
});

it('hands the lead on when what is left is still too much', () => {
  const room = new ReplyRoom(10);
  const [first, second, third] = [new Reader(), new Reader(), new Reader()];
  room.took(first, 20);
  room.took(second, 20);
  room.took(third, 20);
  room.left(first, 20);
  expect([second, third].map(({ isPaused }) => isPaused)).toEqual([false, true]);
  room.left(second, 20);
  expect(third.isPaused).toBe(false);
});
