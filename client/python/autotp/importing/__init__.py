"""Any PyTorch model that torch.export can export becomes a program file."""
