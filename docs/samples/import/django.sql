-- The accounts of a Django application (django.contrib.auth), one JSON object a row.
-- psql "$APP_DATABASE_URL" -Atf django.sql > users.ndjson
-- Django verifies no address by itself: where something else did, replace false. User names that are none here are left out.
select json_build_object(
  'externalId', id,
  'email', email,
  'emailVerified', false,
  'username', case when username ~ '^[A-Za-z0-9_-]{3,50}$' then username end,
  'fullName', trim(first_name || ' ' || last_name),
  'suspended', not is_active,
  'passwordHash', password,
  'createTime', date_joined,
  'lastLoginTime', last_login
)
from auth_user
where email <> ''
order by id;
