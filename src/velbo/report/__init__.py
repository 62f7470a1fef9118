"""Pictures of trained models (extra `report`)."""
