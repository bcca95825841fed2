// Password hashes in the forms that frameworks write them, each with the tool that made it.

import type { LegacyVector } from './legacy-vectors.ts';

const P = 'pässwörd ☃';

/**
 * Django 3.2.25's hashers with small parameters, and `make_password`; its scrypt is the vector of Django 5.2's own test suite. passlib 1.7.4:
 * `passlib.hash.<scheme>.using(rounds=…).hash`. libxcrypt 4.4.33 by Python's `crypt.crypt(password, setting)`.
 */
const PYTHON: readonly LegacyVector[] = [
  {
    by: 'Django argon2',
    hash: 'argon2$argon2id$v=19$m=512,t=2,p=2$c2Vhc2FsdHNlYXNhbHQ$D4gHVf8Wg0k67cI0aGw5tw',
    password: P,
  },
  {
    by: 'Django bcrypt',
    hash: 'bcrypt$$2b$04$.RIjn.L48lJ1P8c0c58VHO0UdB7gDQyipccZcjGZimgydESsJsJSq',
    password: P,
  },
  {
    by: 'Django bcrypt_sha256',
    hash: 'bcrypt_sha256$$2b$04$pesGDkidfLDv1giVFQF7UeyZf4CPpf/3Ou1bpDgdP57Zd5SlxRDvG',
    password: P,
  },
  {
    by: 'Django scrypt',
    hash: 'scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==',
    password: 'lètmein',
  },
  {
    by: 'passlib bcrypt_sha256, version 1',
    hash: '$bcrypt-sha256$2b,4$VlCIqCaZzw6Eo8A7xuIsR.$MKWEYWAiHJYnCm5i/U8I0VMZmoze1ye',
    password: P,
  },
  {
    by: 'passlib bcrypt_sha256, version 1 over 2a',
    hash: '$bcrypt-sha256$2a,4$K5BPUA1mU5GzuNLm93zs8e$5A1Ws2iG4miyyxdOCXEtmxElIsRk4LG',
    password: P,
  },
  {
    by: 'passlib bcrypt_sha256, version 2',
    hash: '$bcrypt-sha256$v=2,t=2b,r=4$RZOz3DJ3JpwcVO7iSADswu$kD1peRpUeCGjnTbHPEl69xpTIHMu1Gm',
    password: P,
  },
  {
    by: 'passlib sha256_crypt',
    hash: '$5$rounds=1000$JyU92CoyxK0E8Dgs$iRQDE4KiN.wAIlHrIGzRWkp1G0JccQ9yi56V22zgO99',
    password: P,
  },
  {
    by: 'passlib sha512_crypt',
    hash: '$6$rounds=1000$gaNMehaxoHwxKzLn$uib6mfNEDo4JnJEjyjIhgR4DrHXV6WKef2SP4zVmR.yp7C3LebT7ll.gbqt7orkgxSzq51tPxqIUM3u5.MDBN/',
    password: P,
  },
  {
    by: 'libxcrypt, rounds left out',
    hash: '$5$saltstring$iv0dDoBbgQQDg6UfBY39HrN7c8Hr8gmby2YH.bcYOz7',
    password: P,
  },
  {
    by: 'libxcrypt, rounds left out',
    hash: '$6$saltstring$akEkcxMrzY8MBnoa6s6/FKKDaQyr1wQ/7Xk2hsalavbr0..TngX8cW0q8ZT.iyrXnrJgqUf8z7WUN0tRo.sOg/',
    password: P,
  },
  {
    by: 'libxcrypt, no salt',
    hash: '$6$$DC7hULrtYca2dEo.3nXNVVMuhcAoOFJZcs50C9PX5bCSsy7OTmKqGtq.VM8yPr/S9cAJiol6ruWaRlsI3X2UO0',
    password: P,
  },
  {
    by: 'libxcrypt behind the scheme of OpenLDAP',
    hash: '{CRYPT}$5$rounds=1234$a$D1/WPh0cUb5RJ50JWeiPbqALKO4z7Fu0l2EXVu9gS46',
    password: P,
  },
  { by: 'passlib phpass', hash: '$P$5.7AFgA54CAi.5cG.dH3b7DPflukjX1', password: P },
  { by: 'passlib phpass, as phpBB', hash: '$H$5Mt48wnBwCn29JPMbxnZgSxznjRMmo0', password: P },
];

/** better-auth 1.7.25 `hashPassword`, lucia 3.2.2 `Scrypt` and `LegacyScrypt`; Lucia 1 as `LegacyScrypt.verify` reads two parts. */
const NODE: readonly LegacyVector[] = [
  {
    by: 'better-auth',
    hash: '00e5331ca8b8414d87339dfc82515e63:f4b7a3e0a8f2d894f73de9573aef7d6e56abda780a2835081a3bc89cf3b8e8381307a03c8b17f84090a25c08bc1fa286ffd197b6727185d1146c7a0b6d082254',
    password: P,
  },
  {
    by: 'better-auth, of an NFKC',
    hash: '9835ecfbb962f225b6062f1601242fdc:22d84718554e1ae31c450c74eaf49b3d2b93489f39f94668d91f6dcb0010c85aa23a015280ea4ecc05a65865828dd9a5d3a200891dc130e1543c12ff1675aa64',
    password: 'ﬁne Ⅷ pass',
  },
  {
    by: 'Lucia 3',
    hash: 'cc869bf5c9660520e62e8275ab9bdf83:d79cea6c92ad7d3f83a9b901234fb1c5c279ea7e7859458d7be7ed855fa1dd4967f379ee0458224dc2dc0a543dcaaeb3e37e0897326f0dafea4b5ad84819a265',
    password: P,
  },
  {
    by: 'Lucia 2',
    hash: 's2:1f0530d9b15dab484100be727dd61242:50bfee4bca067e5b9c077fda0f153b5d41a587a77020b80ae3ebcdb2b5142d2a3ce278f07176d6a54a61cdbd9c174d19fb67220cb6bde4ee49400655bcece89b',
    password: P,
  },
  {
    by: 'Lucia 1 (hashlib)',
    hash: 'a1b2c3d4e5f60718293a4b5c6d7e8f90:c2e21842ea4bb1baa799ff6c92b93ca92eb483f5d1b0bf7363f34246121ff41f17e3173a1fce592cffcef27315b754595d05011d48bc63949b4f4e452443fc40',
    password: P,
  },
];

/** PHP 8.2.36 by the lines of WordPress 6.8's `wp_hash_password`; the second as its forms hand it over, with `addslashes`. */
const WORDPRESS: readonly LegacyVector[] = [
  {
    by: 'WordPress 6.8',
    hash: '$wp$2y$04$0vtq/MhXM0bltLRxu3hoceqamn88e/LTL7JeSZS8eIPwsItWw9JXu',
    password: P,
  },
  {
    by: 'WordPress 6.8, quotes and backslashes from a form',
    hash: '$wp$2y$04$8NopQLEP3oV266XIzKrrT.wBB3x0LuQ.6XALjJn551YopiknN2kgK',
    password: 'quo\'te "it" \\ 9',
  },
];

/** Spring Security's own, of its reference documentation and `PasswordEncoderFactoriesTests`; version 5.8's PBKDF2 and scrypt by Python's hashlib. */
const SPRING: readonly LegacyVector[] = [
  {
    by: 'Spring bcrypt',
    hash: '{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG',
    password: 'password',
  },
  {
    by: 'Spring PBKDF2',
    hash: '{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc',
    password: 'password',
  },
  {
    by: 'Spring scrypt',
    hash: '{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=',
    password: 'password',
  },
  {
    by: 'Spring PBKDF2 of 5.8',
    hash: '{pbkdf2@SpringSecurity_v5_8}000102030405060708090a0b0c0d0e0f311ea16d3b6b8ab5ada054e6c54e324088c2d116d731a9729e8bfe49ade1678d',
    password: P,
  },
  {
    by: 'Spring scrypt of 5.8',
    hash: '{scrypt@SpringSecurity_v5_8}$100801$AAECAwQFBgcICQoLDA0ODw==$599Sw4HOrVNrlcEosqP7jwrgRvsfN2yzJKtWWFJdtWw=',
    password: P,
  },
  {
    by: 'Spring scrypt without its id',
    hash: '$100801$AAECAwQFBgcICQoLDA0ODw==$599Sw4HOrVNrlcEosqP7jwrgRvsfN2yzJKtWWFJdtWw=',
    password: P,
  },
  {
    by: 'PHP 8.2 password_hash behind an id of Spring',
    hash: '{argon2@SpringSecurity_v5_8}$argon2id$v=19$m=512,t=1,p=1$cHZNbVlLNkpVTFhGc09jQg$kL6QKeJhtNRW864wuGCYY3n9Tj3q8doDexl/SWl3z3k',
    password: P,
  },
];

/** One of each form. */
export const FRAMEWORK_VECTORS: readonly LegacyVector[] = [...PYTHON, ...NODE, ...WORDPRESS, ...SPRING];
