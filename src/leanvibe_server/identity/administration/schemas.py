"""Wire shapes of the administration of tenants."""

from pydantic import AwareDatetime, BaseModel, Field


class TenantChange(BaseModel):
    """What a platform administrator changes of a tenant; what is not named stays."""

    plan: str | None = Field(
        None,
        max_length=60,
        description="Id, slug or older name of a plan",
        examples=["enterprise"],
    )
    trial_ends_at: AwareDatetime | None = Field(None, description="When the trial ends")
    end_trial: bool = Field(False, description="Whether the trial is over now")
