// Password hashes that other systems made, each with the tool that made it.

/** A hash with the password that made it. */
export type LegacyVector = { readonly by: string; readonly hash: string; readonly password: string };

const P = 'pässwörd ☃';

/**
 * Cheap to check. bcrypt by perl 5 over libxcrypt: `perl -e 'print crypt($ARGV[0], "\$2b\$04\$N9qo8uLOickgx2ZMRZoMye")' pässwörd…`; the bare ones by
 * Werkzeug 3.1.8: `generate_password_hash(password, "scrypt:1024:8:1")` and so on, its `gen_salt` fixed; the others by Python 3.11: `hashlib.scrypt(password,
 * salt=bytes.fromhex("fbff00102030405060708090a0b0c0fe"), n=1024, r=8, p=1, dklen=32)` and `hashlib.pbkdf2_hmac("sha256", password, salt, 1000, 32)`.
 */
export const CHEAP_VECTORS: readonly LegacyVector[] = [
  { by: 'perl crypt', hash: '$2a$04$N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS', password: P },
  { by: 'perl crypt', hash: '$2b$04$N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS', password: P },
  { by: 'perl crypt', hash: '$2y$04$N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS', password: P },
  {
    by: 'hashlib as PHC',
    hash: '$scrypt$ln=10,r=8,p=1$+/8AECAwQFBgcICQoLDA/g$dv+owPFLUlvyCwjQOVvlWz/6tfZ1+adxu7MGJPXYU70',
    password: P,
  },
  {
    by: 'hashlib as PHC',
    hash: '$pbkdf2-sha256$i=1000,l=32$+/8AECAwQFBgcICQoLDA/g$KkeGSMVwkUOocSxFCPl6vLZgJE7y+Pbt4j4KQRRRwgI',
    password: P,
  },
  {
    by: 'hashlib as passlib',
    hash: '$pbkdf2-sha256$1000$./8AECAwQFBgcICQoLDA/g$KkeGSMVwkUOocSxFCPl6vLZgJE7y.Pbt4j4KQRRRwgI',
    password: P,
  },
  {
    by: 'hashlib as Django',
    hash: 'pbkdf2_sha256$1000$seasalt$kAE99cdcTKmGrieRXDBgQGQ4EwQZyrsTdq98YF0EJdY=',
    password: P,
  },
  {
    by: 'Werkzeug',
    hash: 'scrypt:1024:8:1$kJd83hfLmQz0PxYw$763544ad7271e0c4247fb3a74ab926c9b6460581af48208cfe88951d9b41ac8f35a2e2254fa4779cf0e5f0a905c8d33f30cf31693f5473110bdb4b79be23bfe1',
    password: P,
  },
  {
    by: 'Werkzeug',
    hash: 'scrypt:1024:8:2$kJd83hfLmQz0PxYw$bb20b8a87c96628c1236746123817152da2c4b47f67f6d47877cf6c0f1957f17f7be4d75cc2d151449db2b1554d9017a83fb7a06edac34f8213d160052e18143',
    password: P,
  },
  {
    by: 'Werkzeug',
    hash: 'pbkdf2:sha256:1000$kJd83hfLmQz0PxYw$790d864b1bb27560089d378d2e358116c6e2302974f1accc6117edbb0592fffd',
    password: P,
  },
  {
    by: 'Werkzeug',
    hash: 'pbkdf2:sha1:1000$kJd83hfLmQz0PxYw$41a100b1b4c8ed0bba6b0f81e49b74600807aece',
    password: P,
  },
  {
    by: 'Werkzeug',
    hash: 'pbkdf2:sha512:1000$kJd83hfLmQz0PxYw$e04a07010c5acd3caeec1e391f72ccde81d1538d31bc540aed214892124163789223e510703114b1e780553fdb2eb226c188582bba8dab708a4b7bed2a0b4c62',
    password: P,
  },
];

/**
 * Cheap to check, of other systems. ASP.NET Core Identity's form by Python 3.11 over `hashlib.pbkdf2_hmac(digest, password, bytes(range(16)), 1000, 32)`
 * and `struct.pack('>III', prf, 1000, 16)`; Django's as its BCryptSHA256PasswordHasher writes it, by perl 5 over libxcrypt.
 */
export const CHEAP_FOREIGN_VECTORS: readonly LegacyVector[] = [
  {
    by: 'hashlib as ASP.NET',
    hash: 'AQAAAAAAAAPoAAAAEAABAgMEBQYHCAkKCwwNDg+3rMnYSooORxrcOxBMlNY28PrcHTLilsBCa5bC0vYjmg==',
    password: P,
  },
  {
    by: 'hashlib as ASP.NET',
    hash: 'AQAAAAEAAAPoAAAAEAABAgMEBQYHCAkKCwwNDg9C/tMbTALZzWQl1goASWHQamNVMJJhOo2/9S9keH15Dw==',
    password: P,
  },
  {
    by: 'hashlib as ASP.NET',
    hash: 'AQAAAAIAAAPoAAAAEAABAgMEBQYHCAkKCwwNDg9U9IMBM3vWX6DR4LDxm9gjgCY5fINC+MWnHLWjWx6jeQ==',
    password: P,
  },
  {
    by: 'perl crypt as Django',
    hash: 'bcrypt_sha256$$2b$04$N9qo8uLOickgx2ZMRZoMyeyVKQffakdf96adiQAA3jqm4vsnBGzdm',
    password: P,
  },
];

/** The example of github.com/firebase/scrypt, as one text. */
export const FIREBASE_VECTOR: LegacyVector = {
  by: 'firebase/scrypt',
  hash: '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==',
  password: 'user1password',
};

/**
 * As these systems make them by default, at their own cost: `passlib.hash.<scheme>.hash`, `django.contrib.auth.hashers.make_password`,
 * `werkzeug.security.generate_password_hash`, `htpasswd -nbB`, PHP's `password_hash`, perl's `crypt`, Python's `hashlib`; Kratos' from its test suite.
 */
export const VECTORS: readonly LegacyVector[] = [
  {
    by: 'passlib 1.7.4',
    hash: '$2a$10$abcdefghijklmnopqrstuuObDM/yjNsxVhTh6/DXDG2d5rAb9mxOe',
    password: 'pleaseletmein',
  },
  {
    by: 'passlib 1.7.4',
    hash: '$2b$10$abcdefghijklmnopqrstuuObDM/yjNsxVhTh6/DXDG2d5rAb9mxOe',
    password: 'pleaseletmein',
  },
  {
    by: 'libxcrypt (perl crypt)',
    hash: '$2a$10$N9qo8uLOickgx2ZMRZoMyeLwd0XbvrypiJzV4hw89WyBNhcT3Vzmu',
    password: 'pleaseletmein',
  },
  {
    by: 'libxcrypt (perl crypt)',
    hash: '$2b$10$N9qo8uLOickgx2ZMRZoMye7OEN.7IFJSGsebLaRWOA5/U4vVuA07i',
    password: 'pässwörd ☃',
  },
  {
    by: 'htpasswd 2.4.71 -B',
    hash: '$2y$10$NETeCNcjwPVDwJaVy3vGxeBtnVunZ5xOxoAVCNP0yKBT/qywojbgW',
    password: 'pleaseletmein',
  },
  {
    by: 'PHP 8.2.35 password_hash',
    hash: '$2y$10$Zn28fuk5qexl9wg.2ZemPOWiSCe.sLUNAQANJtGeW7hNg9yFmVPMW',
    password: 'pleaseletmein',
  },
  {
    by: 'PHP 8.2.35 password_hash',
    hash: '$2y$10$1hUmUvmF5zQS1W/SaZSkGe9uFKNkWtoo8EQtO30KdIGRiKttoNoRu',
    password: 'pässwörd ☃',
  },
  {
    by: 'passlib scrypt (= openssl kdf SCRYPT)',
    hash: '$scrypt$ln=14,r=8,p=1$+/8AECAwQFBgcICQoLDA/g$R95SrKCHNEa4oV7PK0L3Luyfm/hmTI5OmKckCWB2au8',
    password: 'pleaseletmein',
  },
  {
    by: 'passlib scrypt',
    hash: '$scrypt$ln=14,r=8,p=1$+/8AECAwQFBgcICQoLDA/g$WlpvN14EwEiW7i/urEusuC8WKoVyH4yKXQKD2sm0j6I',
    password: 'pässwörd ☃',
  },
  {
    by: 'passlib pbkdf2_sha1',
    hash: '$pbkdf2$29000$./8AECAwQFBgcICQoLDA/g$oBYlCPTqcjo7ud1ottxT3Ah2qzM',
    password: 'pleaseletmein',
  },
  {
    by: 'passlib pbkdf2_sha256 (= openssl kdf PBKDF2)',
    hash: '$pbkdf2-sha256$29000$./8AECAwQFBgcICQoLDA/g$JUXOpXLoLyTHhgMklwMtmQZzuki7rT01XyZQ21oBayM',
    password: 'pleaseletmein',
  },
  {
    by: 'passlib pbkdf2_sha512',
    hash: '$pbkdf2-sha512$29000$./8AECAwQFBgcICQoLDA/g$/f4YcEH/TKdY/byZuhqEa5rTYKIwG6OCUxF9IRz/.TrbmF/ICD3AC1BiHCfRYlHuM8Bfi5GKBVvkbgUyAoVQ9Q',
    password: 'pleaseletmein',
  },
  {
    by: 'passlib pbkdf2_sha256',
    hash: '$pbkdf2-sha256$29000$./8AECAwQFBgcICQoLDA/g$JNuSHDCAgwSHYN/Ego4NUem/lTObl3juKByku6DfNac',
    password: 'pässwörd ☃',
  },
  {
    by: 'Django 3.2.25',
    hash: 'pbkdf2_sha256$260000$seasalt2abcdefghijklmn$x9EN0pBquOpWfX7vhG9Pm3UgIUvqfNJB2gHLCZJs7GE=',
    password: 'pleaseletmein',
  },
  {
    by: 'Django 3.2.25',
    hash: 'pbkdf2_sha256$260000$seasalt2abcdefghijklmn$x+An6TuCI+dumYOIySUy2AL7ubjrTNYw7s5L9VihXL4=',
    password: 'pässwörd ☃',
  },
  {
    by: 'Django 3.2.25',
    hash: 'pbkdf2_sha1$260000$seasalt2abcdefghijklmn$lcQn41F2sD6XBf5bPtWE7KYFoLQ=',
    password: 'pleaseletmein',
  },
  {
    by: 'Werkzeug 3.1.8',
    hash: 'scrypt:32768:8:1$kJd83hfLmQz0PxYw$f97c96708027122dff1c4ffa4df62c625eed35e23a170d5637e47506dbaef4d9d7cea4d955eb06e9295545111d4eecfbd1853125e1319dc315119a0290b03f75',
    password: 'pleaseletmein',
  },
  {
    by: 'Werkzeug 3.1.8',
    hash: 'scrypt:32768:8:1$kJd83hfLmQz0PxYw$bce871c003b32b1bf930ad54be294e88dccb0cdd79c92b14a7501d957d7587c14cc2942fd68c94e1f351eb91309c06117d6daa45e54f75def00172d0339663a5',
    password: 'pässwörd ☃',
  },
  {
    by: 'Werkzeug 3.1.8',
    hash: 'scrypt:16384:8:2$kJd83hfLmQz0PxYw$701683de7f4397703555f0330b870a6e199988c518b367f37aa5ab670c9f60017281a77f1a5d4a96fa640920d4d02b95c6ecd8aedbdfcdcc522fd723931fd560',
    password: 'pleaseletmein',
  },
  {
    by: 'Werkzeug 3.1.8',
    hash: 'pbkdf2:sha256:600000$kJd83hfLmQz0PxYw$043da4ad9f01cf872569f0c0a046d4a41d321d514d2e11fec3f47647480de453',
    password: 'pleaseletmein',
  },
  {
    by: 'Werkzeug 3.1.8',
    hash: 'pbkdf2:sha512:210000$kJd83hfLmQz0PxYw$ae798a3d05c24555aa184f6e0cfc403273a28d988d3b51c46b70cdca8271eeb08cd2eff7d9b6d4cd26e44e0d9330c0e19a059fd1784f46a303d640f03d3c8c48',
    password: 'pleaseletmein',
  },
  {
    by: 'Kratos test suite (Go x/crypto)',
    hash: '$scrypt$ln=16384,r=8,p=1$2npRo7P03Mt8keSoMbyD/tKFWyUzjiQf2svUaNDSrhA=$MiCzNcIplSMqSBrm4HckjYqYhaVPPjTARTzwB1cVNYE=',
    password: 'test',
  },
  {
    by: 'Kratos test suite (Go x/crypto)',
    hash: '$pbkdf2-sha256$i=100000,l=32$1jP+5Zxpxgtee/iPxGgOz0RfE9/KJuDElP1ley4VxXc$QJxzfvdbHYBpydCbHoFg3GJEqMFULwskiuqiJctoYpI',
    password: 'test',
  },
  {
    by: 'python hashlib: phc scrypt 64-byte (hashlib)',
    hash: '$scrypt$ln=14,r=8,p=1$+/8AECAwQFBgcICQoLDA/g$R95SrKCHNEa4oV7PK0L3Luyfm/hmTI5OmKckCWB2au/orUkvhQ81RC+MuZBSSWdWjETLeKe89byZltuhoOvX9A',
    password: 'pleaseletmein',
  },
  {
    by: 'python hashlib: phc scrypt N=32768 (hashlib)',
    hash: '$scrypt$ln=15,r=8,p=1$+/8AECAwQFBgcICQoLDA/g$rKP/PonNtijqGssDwzd7BYc6Tp5vpoMvObbjNR4kXhM',
    password: 'pleaseletmein',
  },
  {
    by: 'python hashlib: kratos ln=N padded',
    hash: '$scrypt$ln=16384,r=8,p=1$+/8AECAwQFBgcICQoLDA/g==$R95SrKCHNEa4oV7PK0L3Luyfm/hmTI5OmKckCWB2au8=',
    password: 'pleaseletmein',
  },
  {
    by: 'python hashlib: phc pbkdf2 i=,l=',
    hash: '$pbkdf2-sha256$i=100000,l=32$+/8AECAwQFBgcICQoLDA/g$l/CuZX9mLYESje3mKEHZxUqSw1Zum7lisgyFvlrCk5s',
    password: 'pleaseletmein',
  },
  {
    by: 'python hashlib: phc pbkdf2-sha512 i= only',
    hash: '$pbkdf2-sha512$i=120000$+/8AECAwQFBgcICQoLDA/g$bOrUgfN8IQqfPkLr8spXUp6QUZl4f+10rO9FDsHPTaczhvVNihoZZbxpcJ5vUUTfbUYLkGASbb1HqgI+DLUqjQ',
    password: 'pleaseletmein',
  },
];
