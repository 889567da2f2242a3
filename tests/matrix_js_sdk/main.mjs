// The whole walk: node main.mjs HOMESERVER

import { enter, leave, profiles } from "./accounts.mjs";
import { browser } from "./browser.mjs";
import { closed } from "./closed.mjs";
import { encryption } from "./encryption.mjs";
import { media } from "./media.mjs";
import { finished } from "./report.mjs";
import { directory, meet, spaces, state } from "./rooms.mjs";
import { keepPrivate, readAndType } from "./signals.mjs";
import { slidingSync } from "./sliding.mjs";
import { lookBack, talk } from "./talking.mjs";

const homeserver = process.argv[2];
const people = await enter(homeserver);
await profiles(people);
const room = await meet(people);
await state(people, room);
await directory(people, room);
await spaces(people, room);
const first = await talk(people, room);
await lookBack(people, room, first);
await readAndType(people, room);
await keepPrivate(people, room);
await media(people);
await encryption(people);
await slidingSync(people, room);
await closed(people);
await browser(homeserver);
await leave(Object.values(people));
finished();
