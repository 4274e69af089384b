"""The first user of a stage, and keys of theirs. Whoever asks for one can read and write the database anyway: it is
who starts a local stage, or who may invoke the function of migrations on AWS."""

from shared.clock import Clock
from shared.identity.api_keys import digest_of, new_key
from shared.identity.permissions import EVERYTHING, Role
from shared.identity.records import ApiKey, Membership, User
from shared.ids import new_id
from shared.ports.identity import KeyStore, MemberStore
from shared.settings import DEFAULT_PROJECT_ID

OWNER_EMAIL = "owner@localhost"


async def new_owner_key(keys: KeyStore, members: MemberStore, clock: Clock, name: str) -> str:
    """A new key of the default project's owner, who is made where there is none; the key is only shown here."""
    owner, (text, prefix) = await _owner(members, clock), new_key()
    key = ApiKey(
        id=new_id(),
        project_id=DEFAULT_PROJECT_ID,
        name=name,
        prefix=prefix,
        digest=digest_of(text),
        scopes=[EVERYTHING],
        created_by=owner.id,
        created_at=clock.now(),
    )
    await keys.create(key)
    return text


async def _owner(members: MemberStore, clock: Clock) -> User:
    """The first user. They have no password; the key lets them in."""
    found = await members.user_by_email(OWNER_EMAIL)
    if found is not None:
        return found
    now = clock.now()
    user = User(new_id(), OWNER_EMAIL, "Owner", None, now)
    await members.create_user(user)
    await members.put_membership(Membership(DEFAULT_PROJECT_ID, user.id, Role.OWNER, now))
    return user
